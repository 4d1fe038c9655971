"""The model: no weight in memory until it is filled, and every contradiction has its sentence."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tests.awq.tiny_vision_models import FAMILIES, write_vision_checkpoint
from transformers import AutoModelForCausalLM

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized, read_float
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import CheckpointError, UnsupportedError

CPU = torch.device("cpu")


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint("qwen2"), tmp_path / "copy")


def build(folder):
    return MetaModel.build(Checkpoint.open(folder), CPU)


def edit(folder, **tensors):
    """Replace tensors of the checkpoint; None removes one."""
    found = {name: t.copy() for name, t in load_file(folder / "model.safetensors").items()} | tensors
    save_file({name: t for name, t in found.items() if t is not None}, folder / "model.safetensors")


def edit_config(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def refused(folder, message):
    with pytest.raises(CheckpointError, match=message):
        build(folder)


def test_parts_are_found(checkpoint):
    model = build(checkpoint("qwen2"))
    assert all(parameter.is_meta for parameter in model.module.parameters())
    assert model.prefixes == ["model.layers.0.", "model.layers.1."]
    assert (model.head, model.embedding, model.tied) == ("lm_head", "model.embed_tokens.weight", True)
    assert model.head_weight == model.embedding
    assert model.surroundings() == ["model.embed_tokens.weight", "model.norm.weight"]
    assert build(checkpoint("llama")).head_weight == "lm_head.weight"


def test_a_filled_layer_is_that_of_transformers(checkpoint):
    model = build(checkpoint("qwen2"))
    reference = AutoModelForCausalLM.from_pretrained(checkpoint("qwen2"), dtype=torch.float32)
    layer = model.layers[1]
    model.fill(layer, model.prefixes[1])
    for name, value in reference.model.layers[1].state_dict().items():
        assert torch.equal(layer.state_dict()[name], value)
    model.empty(layer)
    assert all(parameter.is_meta for parameter in layer.parameters())


def test_gpt_neox_stores_its_head_under_another_name(checkpoint):
    assert "embed_out.weight" in Checkpoint.open(checkpoint("gpt_neox"))
    assert build(checkpoint("gpt_neox")).head_weight == "lm_head.weight"


def test_a_tensor_is_missing(copy):
    edit(copy, **{"model.norm.weight": None})
    refused(copy, r"has no tensor model\.norm\.weight")


def test_a_tensor_has_another_shape(copy):
    edit(copy, **{"model.norm.weight": np.ones(64, np.float16)})
    refused(copy, r"model\.norm\.weight has shape \[64\] where config\.json calls for \[128\]")


def test_the_config_has_fewer_layers_than_the_weights(copy):
    edit_config(copy, num_hidden_layers=1, layer_types=["full_attention"])
    refused(copy, r"has the tensor model\.layers\.1\..* for which config\.json has no place")


def test_a_stale_rotary_buffer_is_ignored(copy):
    edit(copy, **{"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(16, np.float32)})
    build(copy)


def test_a_weight_is_nan(copy):
    edit(copy, **{"model.norm.weight": np.full(128, np.nan, np.float16)})
    with pytest.raises(CheckpointError, match=r"model\.norm\.weight holds NaN"):
        build(copy).read_float32("model.norm.weight")


def test_transformers_does_not_know_the_model(copy):
    edit_config(copy, model_type="abacus")
    with pytest.raises(UnsupportedError, match="transformers cannot build 'abacus'") as caught:
        build(copy)
    assert caught.value.exit_code == 5


@pytest.fixture(scope="module")
def rounded(checkpoint, tmp_path_factory):
    """A checkpoint whose linear layers are packed."""
    output = tmp_path_factory.mktemp("model") / "int4"
    model = AutoAWQForCausalLM.from_pretrained(checkpoint("qwen2"))
    model.quantize(quant_config={"q_group_size": 32, "lm_head_enable": True}, method="rtn")
    model.save_quantized(output)
    return output


def test_a_packed_layer_is_filled_with_what_its_codes_stand_for(rounded):
    model = MetaModel.build(Checkpoint.open(rounded), CPU, reader=read_float)
    model.fill(model.layers[1], model.prefixes[1])
    expected = load_dequantized(rounded).model.layers[1].state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.layers[1].state_dict().items())
    assert model.head_weight == "lm_head.weight"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.layers.1.mlp.up_proj.qweight": None, "model.layers.1.mlp.up_proj.qzeros": None,
          "model.layers.1.mlp.up_proj.scales": None}, r"has no tensor model\.layers\.1\.mlp\.up_proj\.weight"),
        ({"model.layers.7.mlp.up_proj.qweight": np.zeros((4, 4), np.int32)}, r"layers\.7.* config\.json has no place"),
        ({"model.layers.1.self_attn.q_proj.bias": np.zeros(64, np.float16)}, r"q_proj\.bias has shape \[64\]"),
    ],
)  # fmt: skip
def test_a_packed_checkpoint_contradicts_its_config(rounded, tmp_path, changes, message):
    folder = shutil.copytree(rounded, tmp_path / "copy")
    edit(folder, **changes)
    refused(folder, message)


def test_a_packed_weight_has_another_shape(rounded, tmp_path):
    folder = shutil.copytree(rounded, tmp_path / "copy")
    stem = "model.layers.0.mlp.up_proj"
    found = load_file(folder / "model.safetensors")
    edit(folder, **{f"{stem}.{part}": found[f"{stem}.{part}"][:, ::2] for part in ("qweight", "qzeros", "scales")})
    refused(folder, r"up_proj\.weight has shape \[96, 128\] where .* \[192, 128\]")


def test_a_packed_head_is_not_the_embedding_whatever_the_config_says(rounded, tmp_path):
    folder = shutil.copytree(rounded, tmp_path / "copy")
    edit_config(folder, tie_word_embeddings=True)
    assert build(folder).head_weight == "lm_head.weight"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_vision_tower_is_no_part_of_the_surroundings(tmp_path, family):
    model = MetaModel.build(Checkpoint.open(write_vision_checkpoint(tmp_path, family)), torch.device("cpu"))
    assert model.tower.name == "model.visual"
    assert model.surroundings() == ["model.language_model.embed_tokens.weight", "model.language_model.norm.weight"]
    assert model.prefixes == [f"model.language_model.layers.{index}." for index in range(2)]
