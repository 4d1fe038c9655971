"""Sixteen channels of an input lie side by side; those that do not exist are zeros."""

import numpy as np
import pytest

from tytvm.kernels.linear import float16_weight


@pytest.mark.parametrize(("N", "K"), [(1, 1), (16, 8), (50, 33)])
def test_unpack_is_the_inverse_of_pack(N, K):
    weight = np.random.default_rng(0).normal(size=(N, K)).astype(np.float16)
    packed = float16_weight.pack(weight)
    np.testing.assert_array_equal(float16_weight.unpack(packed, N), weight)
    assert packed["weight"].shape == (-(-N // 16), K, 16)
    assert not packed["weight"][-1, :, (N - 1) % 16 + 1 :].any()


def test_where_a_value_lies():
    packed = float16_weight.pack(np.arange(18 * 3, dtype=np.float16).reshape(18, 3))["weight"]
    assert packed.shape == (2, 3, 16)
    assert packed[0, 2, 5] == 5 * 3 + 2 and packed[1, 1, 1] == 17 * 3 + 1
    assert not packed[1, :, 2:].any()
