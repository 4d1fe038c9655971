"""Hugging Face's model without weights, with real values in the buffers that no checkpoint stores."""

import json

import pytest
import torch

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
