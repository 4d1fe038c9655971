"""Hugging Face's model without weights, with real values in the buffers that no checkpoint stores."""

import json

import pytest
import torch
from tests.families.tiny_config import tiny_config
from transformers import AutoModelForCausalLM

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.model_on_meta import build_on_meta, fill_buffers
from tyllm_base.errors import UnsupportedError


def test_no_weight_is_in_memory_and_buffers_are_computed(checkpoint):
    model = build_on_meta(Checkpoint.open(checkpoint("qwen2")))
    assert all(parameter.is_meta for parameter in model.parameters())
    assert not model.training
    rotary = model.model.rotary_emb
    fill_buffers(model, rotary, torch.device("cpu"))
    assert float(rotary.inv_freq[0]) == 1.0


def test_transformers_does_not_know_the_model(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "abacus"}))
    with pytest.raises(UnsupportedError, match=r"cannot build 'abacus' as a causal language model \(.+\);"):
        build_on_meta(Checkpoint(tmp_path, {"model_type": "abacus"}, {}))


def test_a_buffer_that_an_outer_module_computes():
    model = falcon_h1()
    for module in model.modules():
        fill_buffers(model, module, torch.device("cpu"))
    assert all(not layer.mamba.mup_vector.isnan().any() for layer in model.model.layers)


def test_a_buffer_that_nobody_computes():
    model = falcon_h1()
    model.register_buffer("secret", torch.empty(2, device="meta"), persistent=False)
    with pytest.raises(
        UnsupportedError, match=r"FalconH1ForCausalLM has numbers in FalconH1ForCausalLM\.secret that nei"
    ):
        fill_buffers(model, model, torch.device("cpu"))


def test_a_buffer_that_a_checkpoint_stores_has_some_value_until_then():
    model = falcon_h1()
    model.register_buffer("stored", torch.empty(2, device="meta"))
    fill_buffers(model, model, torch.device("cpu"))
    assert model.stored.tolist() == [1, 1]


def falcon_h1():
    """A tiny model on the meta device, whose layers' buffers the model around them fills."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(tiny_config("falcon_h1", {}))


@pytest.mark.parametrize("name", ["Llava", "Mllama", "Gemma3"])
def test_a_vision_language_model_is_built_whole(tmp_path, name):
    config = {"model_type": name.lower(), "architectures": [f"{name}ForConditionalGeneration"]}
    tiny_config(name.lower(), {}).save_pretrained(tmp_path)
    model = build_on_meta(Checkpoint(tmp_path, config, {}))
    assert [type(model).__name__] == config["architectures"]
    assert model.config.model_type == name.lower()


def test_a_model_that_writes_no_text(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(UnsupportedError, match="transformers has no causal language model of the type 'vit'"):
        build_on_meta(Checkpoint(tmp_path, {"model_type": "vit"}, {}))


def test_a_package_that_transformers_needs(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise ImportError("Such requires the timm library.")

    monkeypatch.setattr(AutoModelForCausalLM, "from_config", fails)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(
        UnsupportedError, match=r"cannot build 'llama' \(Such requires the timm library\); install what"
    ):
        build_on_meta(Checkpoint(tmp_path, {"model_type": "llama"}, {}))
