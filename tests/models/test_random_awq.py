"""Random weights in AutoAWQ's format read like a quantizer's, shard by shard, and are spread as the float ones are."""

import math

import numpy as np
import pytest
from random_awq import GROUP, repeated
from random_weights import write_random_checkpoint
from small_config import small_config

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.packed_rows import is_packed, read_rows

EXPERT = "model.layers.1.mlp.experts.7.down_proj.weight"


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("awq")
    write_random_checkpoint(small_config("Qwen3-30B-A3B"), folder, shard=1_000_000, awq=True)
    return Checkpoint.open(folder)


def test_linear_layers_are_packed_and_others_are_not(mixture):
    assert all(is_packed(mixture, name) for name in (EXPERT, "model.layers.0.self_attn.q_proj.weight"))
    floats = {info.dtype for name, info in mixture.tensors.items() if "norm" in name or "embed" in name}
    assert floats == {"F16"}
    assert not is_packed(mixture, "model.layers.0.mlp.gate.weight")


def test_weights_are_spread_like_the_float_ones(mixture):
    rows = read_rows(mixture, EXPERT, 0, 256).dequantize()
    assert rows.shape == (256, 128)
    assert rows.std() * math.sqrt(128) == pytest.approx(1, rel=0.05)
    assert abs(rows.mean()) < 0.1
    assert len(np.unique(rows[:, :GROUP], axis=0)) == len(rows)


def test_repeated_wraps_around():
    parts = repeated(np.arange(5), 3, 9)
    assert [int(value) for part in parts for value in part] == [3, 4, 0, 1, 2, 3, 4, 0, 1]
