"""The configs are those of the real models, and shrinking keeps what is peculiar about them."""

import copy

import pytest
import torch
from small_config import CONFIGS, VISION_CONFIGS, read_config, small_config, with_layers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

PARAMETERS = {  # in units of a million, as the models' authors publish them
    "Qwen1.5-1.8B": 1837,
    "Qwen2-0.5B": 494,
    "Qwen2-7B": 7616,
    "Qwen2.5-7B-Instruct": 7616,
    "DeepSeek-R1-Distill-Qwen-1.5B": 1777,
    "DeepSeek-R1-Distill-Qwen-7B": 7616,
    "DeepSeek-R1-Distill-Qwen-32B": 32764,
    "Qwen3-0.6B": 596,
    "Qwen3-30B-A3B": 30532,
    "Qwen3-8B": 8191,
    "Meta-Llama-3-8B": 8030,
    "Llama-3.1-8B": 8030,
    "Llama-3.2-1B": 1236,
    "TinyLlama-1.1B": 1100,
    "SmolLM2-135M": 135,
    "Mistral-7B-v0.1": 7242,
    "Mistral-7B-v0.3": 7248,
    "Phi-3-mini-4k-instruct": 3821,
    "gemma-2-2b": 2614,
    "gemma-3-1b-it": 1000,
    "OLMo-2-1124-7B": 7299,
    "stablelm-2-1_6b": 1645,
    "granite-3.1-2b-base": 2534,
    "starcoder2-3b": 3030,
    "SmolLM3-3B": 3075,
    "pythia-160m": 162,
    "gpt-oss-20b": 20915,
    "Qwen2-VL-2B-Instruct": 2209,
    "Qwen2-VL-7B-Instruct": 8291,
    "Qwen2.5-VL-3B-Instruct": 3755,
    "Qwen2.5-VL-7B-Instruct": 8292,
}


def meta(config):
    kind = AutoModelForImageTextToText if "vision_config" in config else AutoModelForCausalLM
    with torch.device("meta"):
        return kind.from_config(AutoConfig.for_model(**copy.deepcopy(config)))


def heads_per_group(config):
    return config["num_attention_heads"] / config.get("num_key_value_heads", config["num_attention_heads"])


@pytest.mark.parametrize("name", CONFIGS + VISION_CONFIGS)
def test_full_size_is_the_published_one(name):
    assert round(meta(read_config(name)).num_parameters() / 1e6) == PARAMETERS[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_small_keeps_the_family(name):
    full, small = read_config(name), small_config(name)
    model = meta(small)
    inputs = {module.in_features for module in model.modules() if isinstance(module, torch.nn.Linear)}
    assert all(width % 128 == 0 for width in inputs), inputs
    assert model.num_parameters() < 12_000_000
    assert heads_per_group(small) == heads_per_group(full)
    for key in ("rope_scaling", "tie_word_embeddings", "rms_norm_eps", "architectures"):
        assert small.get(key) == full.get(key)


@pytest.mark.parametrize("name", VISION_CONFIGS)
def test_small_keeps_the_family_of_models_that_see(name):
    full, small = read_config(name), small_config(name)
    model = meta(small)
    language = model.model.language_model.modules()
    assert all(module.in_features % 128 == 0 for module in language if isinstance(module, torch.nn.Linear))
    assert model.num_parameters() < 13_000_000
    assert heads_per_group(small) == heads_per_group(full)
    head_dim = small["hidden_size"] // small["num_attention_heads"]
    assert 2 * sum(small["rope_scaling"]["mrope_section"]) == head_dim
    assert small["vision_config"]["num_heads"] == full["vision_config"]["num_heads"] == 16
    assert type(model).__name__ == full["architectures"][0]


def test_layers_of_both_parts():
    config = with_layers(read_config("Qwen2.5-VL-7B-Instruct"), 2, 9)
    assert (config["num_hidden_layers"], config["vision_config"]["depth"]) == (2, 9)
    assert config["vision_config"]["fullatt_block_indexes"] == [7]
    assert with_layers(config, None, 4)["vision_config"]["fullatt_block_indexes"] == [3]
    assert with_layers(read_config("Qwen2-VL-2B-Instruct"), 1, 1)["vision_config"]["depth"] == 1


def test_the_hard_cases_are_there():
    qwen = small_config("Qwen2-7B")
    assert (qwen["num_attention_heads"], qwen["num_key_value_heads"], qwen["vocab_size"]) == (28, 4, 1003)
    assert len(set(AutoConfig.for_model(**small_config("gemma-3-1b-it")).layer_types)) == 2
    assert small_config("Mistral-7B-v0.1")["sliding_window"] == 16


def test_unknown_name_says_what_there_is():
    with pytest.raises(ValueError, match=r"no config nonsense.*Qwen2-7B"):
        read_config("nonsense")
