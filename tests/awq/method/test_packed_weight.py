"""Packed weights: the parts of a weight may come one after the other, and clipping happens when asked."""

import numpy as np
import pytest
import torch

from awq.method.packed_weight import packed_tensors, quantize_parts
from awq.method.rounding import Scheme, round_to_nearest
from hf_checkpoint.awq_gemm import PackedLinear, unpack_linear

SCHEME = Scheme(4, 32)


def test_parts_make_the_same_as_the_whole():
    weight = torch.randn(24, 64, generator=torch.Generator().manual_seed(0))
    whole, parts = (
        packed_tensors("a", quantize_parts(ps, SCHEME), SCHEME, "awq") for ps in ([weight], weight.split(8))
    )
    assert list(whole) == ["a.qweight", "a.qzeros", "a.scales"]
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)
    assert np.array_equal(
        unpack_linear(PackedLinear(*whole.values())).dequantize(), round_to_nearest(weight, SCHEME).numpy()
    )


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("symmetric", [False, True])
def test_parts_make_the_same_as_the_whole_in_compressed_tensors(bits, symmetric):
    weight = torch.randn(21, 64, generator=torch.Generator().manual_seed(0))  # a vocabulary may be odd
    scheme = Scheme(bits, 32, symmetric)
    whole, parts = (
        packed_tensors("a", quantize_parts(ps, scheme), scheme, "compressed-tensors")
        for ps in ([weight], weight.split(8))
    )
    names = ["weight_packed", "weight_scale", "weight_zero_point", "weight_shape"]
    assert list(whole) == [f"a.{name}" for name in names if not (symmetric and name == "weight_zero_point")]
    assert all(np.array_equal(whole[name], parts[name]) and whole[name].dtype == parts[name].dtype for name in whole)
    assert whole["a.weight_shape"].tolist() == [21, 64] and whole["a.weight_shape"].dtype == np.int64


def test_moments_clip():
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(1)) ** 3
    moments = torch.eye(32).expand(2, 32, 32)
    (clipped,), (whole,) = quantize_parts([weight], SCHEME, moments), quantize_parts([weight], SCHEME)
    assert not torch.equal(clipped.scales, whole.scales)
