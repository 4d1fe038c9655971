"""Packed weights of either format, others' too, are read rows by rows as their own packages read them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from hf_checkpoint.awq_gemm import pack_linear, unpack_linear
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.packed_rows import is_packed, packed_parts, packed_shape, read_rows
from hf_checkpoint.safetensors_file import read_header, write_safetensors
from tyllm_base.errors import CheckpointError, UnsupportedError

# Made by compressed-tensors 0.20.0: python scripts/compressed_tensors_linear.py
MADE = Path(__file__).with_name("compressed_tensors_linear.safetensors")
CASES = sorted({name.rpartition(".")[0] for name in read_header(MADE)})
RNG = np.random.default_rng(0)


@pytest.fixture
def checkpoint(tmp_path):
    """`checkpoint(tensors)` is a checkpoint with those tensors."""

    def write(tensors):
        (tmp_path / "config.json").write_text('{"model_type": "llama"}')
        write_safetensors(tmp_path / "model.safetensors", tensors)
        return Checkpoint.open(tmp_path)

    return write


@pytest.fixture
def case(checkpoint):
    """`case(name, **changes)`: a case of the package's own as the layer "up"; a change to None takes a tensor away."""

    def read(name, **changes):
        start = f"{name}."
        tensors = {
            key.removeprefix(start): info.read() for key, info in read_header(MADE).items() if key.startswith(start)
        }
        tensors.pop("weight")
        kept = {key: value for key, value in (tensors | changes).items() if value is not None}
        return checkpoint({f"up.{key}": np.array(value) for key, value in kept.items()})

    return read


@pytest.mark.parametrize("name", CASES)
def test_compressed_tensors_as_its_own_package_reads_it(case, name):
    found = read_rows(case(name), "up.weight")
    with safe_open(MADE, "pt") as file:
        expected = file.get_tensor(f"{name}.weight")
    # the package multiplies in the scale's type, here nothing is rounded
    assert torch.equal(torch.from_numpy(found.dequantize()).to(expected.dtype), expected)


def test_sixteen_cases():
    assert len(CASES) == 16


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("start", "stop"), [(0, 20), (3, 5), (8, 16), (17, 20), (16, 40)])
def test_some_rows_of_compressed_tensors(case, name, start, stop):
    opened = case(name)
    part, whole = read_rows(opened, "up.weight", start, stop), read_rows(opened, "up.weight")
    for field in ("codes", "scales", "zeros"):
        np.testing.assert_array_equal(getattr(part, field), getattr(whole, field)[start:stop])


def test_shape_and_names(case):
    opened = case("8.asymmetric.32.bfloat16")
    assert is_packed(opened, "up.weight") and not is_packed(opened, "down.weight") and not is_packed(opened, "up.bias")
    assert packed_shape(opened, "up.weight") == (20, 64, 32, 8)
    assert set(packed_parts(opened, "up.weight")) == set(opened)
    assert packed_shape(case("4.symmetric.channel.float16"), "up.weight") == (20, 64, 64, 4)


def test_zero_points_that_older_versions_stored_in_bytes(case):
    opened = case("4.asymmetric.32.float16")
    zeros = read_rows(opened, "up.weight").zeros
    old = case("4.asymmetric.32.float16", weight_zero_point=zeros.astype(np.int8) - np.int8(8))
    assert np.array_equal(read_rows(old, "up.weight", 3, 9).zeros, zeros[3:9])


@pytest.mark.parametrize(("start", "stop"), [(0, 48), (8, 16), (20, 28), (4, 7), (40, 60)])
def test_awq(checkpoint, start, stop):
    q, zeros = (RNG.integers(0, 16, (48, width)).astype(np.uint8) for width in (128, 2))
    packed = pack_linear(q, zeros, RNG.uniform(0.01, 0.1, (48, 2)).astype(np.float16))
    opened = checkpoint({f"up.{field}": array for field, array in packed._asdict().items()})
    assert packed_shape(opened, "up.weight") == (48, 128, 64, 4)
    assert set(packed_parts(opened, "up.weight")) == set(opened)
    found = read_rows(opened, "up.weight", start, stop)
    assert np.array_equal(found.codes, q[start:stop]) and np.array_equal(found.zeros, zeros[start:stop])
    assert np.array_equal(found.dequantize(), unpack_linear(packed).dequantize()[start:stop])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight_scale": None}, r"has no tensor up\.weight_scale"),
        ({"weight_scale": np.ones((20, 3), np.float16)}, "has 3 groups for 64 inputs"),
        ({"weight_scale": np.ones(20, np.float16)}, "which is no matrix"),
        ({"weight_scale": np.full((20, 2), np.nan, np.float16)}, r"A scale of up\.weight is NaN or infinite"),
        ({"weight_scale": np.ones((20, 2), np.int32)}, "has type I32, no float"),
        ({"weight_packed": np.zeros((19, 8), np.int32)}, r"is I32 \[19, 8\] where .* call for I32 \[20, 8\]"),
        ({"weight_zero_point": np.zeros((2, 2), np.int32)}, r"is I32 \[2, 2\] where .* call for I32 \[3, 2\]"),
    ],
)
def test_contradictions(case, changes, words):
    with pytest.raises(CheckpointError, match=words):
        read_rows(case("4.asymmetric.32.float16", **changes), "up.weight")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight_packed": np.zeros((20, 6), np.int32)}, "neither 4 nor 8 bits a weight"),
        ({"weight_g_idx": np.zeros(64, np.int32)}, "groups follow the activation order"),
    ],
)
def test_what_is_not_supported(case, changes, words):
    with pytest.raises(UnsupportedError, match=words):
        read_rows(case("4.asymmetric.32.float16", **changes), "up.weight")


def test_awq_that_contradicts_itself(checkpoint):
    packed = pack_linear(np.zeros((8, 64), np.uint8), np.zeros((8, 2), np.uint8), np.ones((8, 2), np.float16))
    broken = packed._replace(qzeros=np.zeros((3, 1), np.int32))
    opened = checkpoint({f"up.{field}": array for field, array in broken._asdict().items()})
    with pytest.raises(CheckpointError, match=r"up\.qzeros is I32 \[3, 1\] where .* call for I32 \[2, 1\]"):
        read_rows(opened, "up.weight")
