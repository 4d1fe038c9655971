"""The vision tower is found in transformers' model by its name, and its tokens in the config."""

import pytest
from tests.tiny_vision_language import TOKENS, tiny_vision_language

from hf_checkpoint.vision_tower import find_tower, vision_tokens


@pytest.mark.parametrize("model_type", ["qwen2_vl", "qwen2_5_vl"])
def test_the_part_that_has_the_vision_config(model_type):
    model = tiny_vision_language(model_type)
    tower = find_tower(model)
    assert model.get_submodule(tower.name) is tower.module
    assert tower.module.config is model.config.vision_config
    assert (tower.prefix, tower.pixels_per_token) == ("model.visual.", 28)


@pytest.mark.parametrize("model_type", ["qwen2_vl", "qwen2_5_vl"])
def test_units_are_the_whole_tower(model_type):
    model = tiny_vision_language(model_type)
    units = [f"{name}.{inner}" for name, unit in find_tower(model).units() for inner in unit.state_dict()]
    assert units == [name for name in model.state_dict() if name.startswith("model.visual.")]


def test_its_tokens():
    found = vision_tokens(tiny_vision_language("qwen2_5_vl").config)
    assert found == {
        "image": TOKENS["image_token_id"],
        "video": TOKENS["video_token_id"],
        "start": TOKENS["vision_start_token_id"],
        "end": TOKENS["vision_end_token_id"],
    }


def test_a_model_of_text_has_none():
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "vocab_size": 8,
    }
    model = LlamaForCausalLM(LlamaConfig(**sizes))
    assert find_tower(model) is None
    assert vision_tokens(model.config) == {}
