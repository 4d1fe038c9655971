"""Weights come out as AWQ's own packing says, whatever the rows and columns asked for."""

import ml_dtypes
import numpy as np
import pytest
import torch

import tyllm_base.errors
from awq.method.packed_weight import packed_tensors, quantize_parts
from awq.method.rounding import Scheme, quantize_to_nearest, round_to_nearest
from hf_checkpoint.awq_gemm import PackedLinear, pack_linear, unpack_linear
from hf_checkpoint.quantized_rows import QuantizedRows
from tyllm.build.weight_formats import Quantization
from tyllm.build.weight_reader import WeightReader
from tyllm_base.errors import CheckpointError

N, K, GROUP = 48, 128, 64
NAME = "up_proj.weight"


def random_codes(seed=0):
    rng = np.random.default_rng(seed)
    codes, zeros = (rng.integers(0, 16, (N, width)).astype(np.uint8) for width in (K, K // GROUP))
    return QuantizedRows(codes, rng.uniform(0.01, 0.1, (N, K // GROUP)).astype(np.float16), zeros)


@pytest.fixture
def packed():
    own = random_codes()
    return pack_linear(own.codes, own.zeros, own.scales)


@pytest.fixture
def reader(memory, packed):
    tensors = {f"up_proj.{part}": array for part, array in packed._asdict().items()}
    return WeightReader(memory(tensors), Quantization("awq", GROUP, frozenset({NAME})), {})


@pytest.mark.parametrize(("start", "stop"), [(0, N), (16, 32), (20, 28), (4, 7), (40, 48)])
def test_awq_rows_equal_its_own_dequantization(reader, packed, start, stop):
    np.testing.assert_array_equal(
        reader.codes(NAME, start, stop).dequantize(), unpack_linear(packed).dequantize()[start:stop]
    )
    np.testing.assert_array_equal(reader.floats(NAME, start, stop), unpack_linear(packed).dequantize()[start:stop])


def test_damaged_scales(memory, packed):
    scales = packed.scales.copy()
    scales[0, 5] = np.inf
    tensors = {f"up_proj.{part}": array for part, array in PackedLinear(*packed[:2], scales)._asdict().items()}
    reader = WeightReader(memory(tensors), Quantization("awq", GROUP, frozenset({NAME})), {})
    reader.codes(NAME, 8, 16)
    with pytest.raises(tyllm_base.errors.CheckpointError, match=r"A scale of up_proj\.weight is NaN or infinite"):
        reader.codes(NAME, 0, 8)


@pytest.mark.parametrize("scheme", [Scheme(4, 32), Scheme(4, 64, symmetric=True), Scheme(8, 64), Scheme(8, K, True)])
def test_compressed_tensors(memory, scheme):
    """4 bits come as codes, 8 bits as the floats that they stand for."""
    weight = torch.randn(N, K, generator=torch.Generator().manual_seed(0))
    tensors = packed_tensors("up_proj", quantize_parts([weight], scheme), scheme, "compressed-tensors")
    names = frozenset({NAME})
    four = Quantization("compressed-tensors", scheme.group_size, names)
    reader = WeightReader(memory(tensors), four if scheme.bits == 4 else Quantization(None, -1, frozenset(), names), {})
    expected = round_to_nearest(weight, scheme)[4:21].numpy()
    np.testing.assert_array_equal(reader.floats(NAME, 4, 21), expected)
    if scheme.bits == 4:
        np.testing.assert_array_equal(reader.codes(NAME, 4, 21).dequantize(), expected)


def test_scales_of_bfloat16(memory):
    scheme = Scheme(4, 32)
    tensors = packed_tensors("up_proj", quantize_parts([torch.ones(N, K)], scheme), scheme, "compressed-tensors")
    quantization = Quantization("compressed-tensors", 32, frozenset({NAME}))
    tensors["up_proj.weight_scale"] = np.full((N, 4), 0.375, ml_dtypes.bfloat16)
    assert WeightReader(memory(tensors), quantization, {}).codes(NAME, 0, N).scales[0, 0] == np.float16(0.375)
    tensors["up_proj.weight_scale"] = np.full((N, 4), 1e6, ml_dtypes.bfloat16)
    with pytest.raises(
        CheckpointError, match=r"A scale of up_proj\.weight holds 999424, above float16's largest value 65504"
    ):
        WeightReader(memory(tensors), quantization, {}).codes(NAME, 0, N)


def test_a_tied_parameter_is_read_under_the_name_it_has(memory):
    table = np.arange(12, dtype=np.float16).reshape(4, 3)
    reader = WeightReader(memory(table=table), Quantization(None, 128, frozenset()), {"head": "table"})
    np.testing.assert_array_equal(reader.floats("head", 1, 3), table[1:3])
    assert reader.shape("head") == (4, 3)
    assert reader.floats("table", 0, 1).dtype == np.float32


def test_rounding_now_is_awqs_rounding(memory):
    weight = np.random.default_rng(1).normal(0, 0.1, (N, K)).astype(np.float16)
    reader = WeightReader(memory({NAME: weight}), Quantization("rtn", 32, frozenset({NAME})), {})
    found = reader.codes(NAME, 16, 48)
    expected = quantize_to_nearest(torch.from_numpy(weight[16:48].astype(np.float32)), Scheme(4, 32))
    for ours, theirs in zip(
        (found.codes, found.scales, found.zeros), (expected.codes, expected.scales, expected.zeros), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert np.abs(found.dequantize() - weight[16:48]).max() < 0.05


@pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (np.inf, "infinite"), (1e6, "1e+06")])
def test_what_cannot_be_rounded(memory, value, words):
    weight = np.zeros((16, 32), np.float32)
    weight[3, 3] = value
    reader = WeightReader(memory({NAME: weight}), Quantization("rtn", 32, frozenset({NAME})), {})
    with pytest.raises(CheckpointError) as caught:
        reader.codes(NAME, 0, 16)
    assert NAME in str(caught.value) and words in str(caught.value)
