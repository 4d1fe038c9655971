"""`awq.load_quantized`: the right model in the right type, without importing torch before it is called."""

import subprocess
import sys

import pytest
import torch
from tests.awq.tiny_models import token_lists
from transformers import AutoModelForCausalLM

import awq
from awq.stream.dequantize import load_dequantized
from tyllm_base.errors import SettingError


@pytest.fixture(scope="module")
def rounded(checkpoint, tmp_path_factory):
    output = tmp_path_factory.mktemp("loader") / "out"
    model = awq.AutoAWQForCausalLM.from_pretrained(checkpoint("qwen2"))
    settings = {"q_group_size": 32, "lm_head_enable": True, "format": "compressed-tensors", "overrides": {"lm_head": 8}}
    model.quantize(quant_config=settings, method="rtn")
    model.save_quantized(output)
    return output


@pytest.mark.parametrize(("dtype", "found"), [(None, torch.float32), ("float16", torch.float16)])
def test_weights_are_what_the_codes_stand_for(rounded, dtype, found):
    model, expected = awq.load_quantized(rounded, dtype), load_dequantized(rounded, found)
    assert {parameter.dtype for parameter in model.parameters()} == {found}
    assert torch.equal(model.lm_head.weight, expected.lm_head.weight)
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)


def test_what_it_saves_is_a_float_checkpoint(rounded, tmp_path):
    model = awq.load_quantized(rounded)
    model.save_pretrained(tmp_path)
    ids = torch.tensor(token_lists(1))
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    torch.testing.assert_close(again(ids).logits, model(ids).logits)


def test_a_type_that_is_none(rounded):
    for wrong in ("int4", torch.int8):
        with pytest.raises(SettingError, match=r"dtype is .*; use 'float32'"):
            awq.load_quantized(rounded, wrong)


def test_the_import_is_light():
    code = "import sys, awq; print({'torch', 'transformers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
