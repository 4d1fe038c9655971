"""A stack of experts is read as transformers itself reads it."""

import torch
from tests.tiny_mixture import write_mixture
from transformers import AutoModelForCausalLM

from awq.stream.dequantize import load_dequantized


def test_the_model_is_transformers_own(tmp_path):
    write_mixture(tmp_path)
    expected = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).state_dict()
    found = load_dequantized(tmp_path).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
