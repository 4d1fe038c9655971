"""A stack of experts is read as transformers itself reads it."""

import pytest
import torch
from tests.tiny_mixture import GPT_OSS, IN_MXFP4, write_mixture
from transformers import AutoModelForCausalLM, Mxfp4Config

from awq.stream.dequantize import load_dequantized


@pytest.mark.parametrize("changes", [{}, GPT_OSS, IN_MXFP4], ids=["qwen2_moe", "gpt_oss", "in MXFP4"])
def test_the_model_is_transformers_own(tmp_path, changes):
    write_mixture(tmp_path, **changes)
    options = {"quantization_config": Mxfp4Config(dequantize=True)} if "quantization_config" in changes else {}
    expected = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32, **options).state_dict()
    found = load_dequantized(tmp_path).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
