"""Quantized checkpoints of both formats, mixed ones too, compile to what Hugging Face's model of their floats says."""

import warnings

import numpy as np
import pytest
import torch

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized
from tyllm.build_util import build_and_compile_llm
from tyllm.package import Manifest
from tyllm.runtime import Session

UP, DOWN = "model.layers.0.mlp.up_proj", "model.layers.1.mlp.down_proj"
TOKENS = list(range(3, 40))
CASES = {
    "AWQ, a layer left float": {"overrides": {DOWN: None}},
    "compressed-tensors, symmetric": {"format": "compressed-tensors", "zero_point": False},
    "compressed-tensors, whole rows": {"format": "compressed-tensors", "q_group_size": -1},
    "compressed-tensors, 4, 8 and 16 bits": {"format": "compressed-tensors", "overrides": {UP: 8, DOWN: None}},
    "compressed-tensors, 8 bits": {"format": "compressed-tensors", "w_bit": 8},
}


@pytest.fixture(scope="module", params=CASES)
def quantized(request, tiny, tmp_path_factory):
    """A rounded checkpoint and its settings."""
    folder = tmp_path_factory.mktemp("quantized") / "checkpoint"
    model = AutoAWQForCausalLM.from_pretrained(tiny)
    config = {"q_group_size": 32, "lm_head_enable": True} | CASES[request.param]
    model.quantize(None, quant_config=config, method="rtn")
    model.save_quantized(folder)
    return folder, config


def test_logits_are_those_of_the_floats(quantized, tmp_path):
    checkpoint, config = quantized
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        package = build_and_compile_llm(checkpoint, tmp_path / "package", 64, [1, 8], 2, activations="float16")
    eight = config.get("w_bit") == 8 or 8 in config.get("overrides", {}).values()
    assert any("8-bit weights" in str(warning.message) for warning in caught) == eight
    with torch.no_grad():
        expected = load_dequantized(checkpoint)(torch.tensor([TOKENS])).logits[0, -1].numpy()
    with Session(package, threads=2) as session:
        found = session.logits(TOKENS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.004 * np.abs(expected).max())
    assert np.argmax(found) == np.argmax(expected)
    quantization = Manifest.read(package).quantization
    assert quantization is None if config.get("w_bit") == 8 else quantization.method in ("awq", "compressed-tensors")
