"""The reference model: float checkpoints as transformers loads them, quantised ones multiplied out, heads too."""

import json

import pytest
import torch
from tests.awq.tiny_models import FAMILIES, token_lists
from transformers import AutoModelForCausalLM

from awq import AutoAWQForCausalLM
from awq.checkpoint import Checkpoint
from awq.dequantize import load_dequantized
from awq.errors import CheckpointError
from awq.packing import PackedLinear, dequantize


@pytest.fixture(scope="module")
def rounded(checkpoint, tmp_path_factory):
    output = tmp_path_factory.mktemp("rounded") / "out"
    model = AutoAWQForCausalLM.from_pretrained(checkpoint("qwen2"))
    model.quantize(quant_config={"q_group_size": 32, "lm_head_enable": True}, method="rtn")
    model.save_quantized(output)
    return output


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_float_checkpoint_is_as_transformers_loads_it(checkpoint, family):
    ids = torch.tensor(token_lists(2))
    expected = AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float32)(ids).logits
    torch.testing.assert_close(load_dequantized(checkpoint(family))(ids).logits, expected, rtol=1e-3, atol=1e-3)


def test_the_head_is_the_quantised_one(rounded):
    opened, model = Checkpoint.open(rounded), load_dequantized(rounded)
    packed = PackedLinear(*(opened.read(f"lm_head.{field}") for field in PackedLinear._fields))
    assert torch.equal(model.lm_head.weight, torch.from_numpy(dequantize(packed)))
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)
    assert (model.lm_head.weight - model.model.embed_tokens.weight).abs().max() < 0.02


def test_another_type(rounded):
    assert load_dequantized(rounded, torch.bfloat16).lm_head.weight.dtype == torch.bfloat16


def test_other_quantisations_are_refused(rounded, tmp_path):
    config = json.loads((rounded / "config.json").read_text())
    config["quantization_config"] |= {"quant_method": "gptq"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").symlink_to(rounded / "model.safetensors")
    with pytest.raises(CheckpointError, match="quantised as gptq gemm with 4 bits"):
        load_dequantized(tmp_path)
