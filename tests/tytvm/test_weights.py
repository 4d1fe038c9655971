"""The tensors that a package stores for each weight format, as the kernels' packing makes them."""

import numpy as np
import pytest

from tytvm.kernels.linear import float16_weight, int4_weight
from tytvm.weights import W4, W16, Plain, TensorSpec


def specs(arrays):
    return {suffix: TensorSpec(array.shape, str(array.dtype)) for suffix, array in arrays.items()}


@pytest.mark.parametrize("outputs", [16, 21])
def test_int4_as_it_is_packed(outputs):
    groups = (outputs, 2)
    packed = int4_weight.pack(
        np.zeros((outputs, 64), np.uint8), np.zeros(groups, np.float16), np.zeros(groups, np.uint8)
    )
    assert W4(outputs, 64, 32).tensors() == {f".{part}": spec for part, spec in specs(packed).items()}


@pytest.mark.parametrize("outputs", [16, 21])
def test_float16_as_it_is_packed(outputs):
    packed = float16_weight.pack(np.zeros((outputs, 5), np.float16))
    assert W16(outputs, 5).tensors() == {"": specs(packed)["weight"]}


def test_plain():
    assert Plain((7, 3), "float16").tensors() == {"": TensorSpec((7, 3), "float16")}
    assert Plain((7,)).tensors() == {"": TensorSpec((7,), "float32")}
