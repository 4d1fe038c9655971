"""The INT4 layout: its inverse, its place of each code, its size."""

import numpy as np
import pytest

from tytvm.kernels.linear import int4_weight


def random_weight(rng, N, K, group):
    codes = rng.integers(0, 16, (N, K)).astype(np.uint8)
    scales = rng.uniform(0.001, 0.01, (N, K // group)).astype(np.float16)
    return codes, scales, rng.integers(0, 16, (N, K // group)).astype(np.uint8)


@pytest.mark.parametrize(("N", "K", "group"), [(1, 32, 32), (16, 128, 128), (50, 288, 96), (130, 256, 64)])
def test_unpack_is_the_inverse_of_pack(N, K, group):
    weight = random_weight(np.random.default_rng(N), N, K, group)
    packed = int4_weight.pack(*weight)
    for again, before in zip(int4_weight.unpack(packed, N), weight, strict=True):
        np.testing.assert_array_equal(again, before)
    assert {name: tensor.shape for name, tensor in packed.items()} == int4_weight.shapes(K, N, group)
    assert sum(tensor.nbytes for tensor in packed.values()) == int4_weight.size_of(K, N, group)


def test_place_of_a_code():
    codes = np.zeros((32, 64), np.uint8)
    codes[16 + 3, 8 + 2], codes[16 + 3, 8 + 6] = 5, 9  # block 1, channel 3; row 1, inputs 2 and 4 + 2
    packed = int4_weight.pack(codes, np.ones((32, 1), np.float16), np.zeros((32, 1), np.uint8))["weight"]
    assert packed[1, 1, 4 * 3 + 2] == 5 | 9 << 4
    assert np.count_nonzero(packed) == 1


def test_missing_channels_have_scale_zero():
    packed = int4_weight.pack(*random_weight(np.random.default_rng(0), 17, 32, 32))
    assert not packed["scale"][1, :, 1:].any()


def test_dequantize():
    codes = np.array([[0, 15, 8, 7]], np.uint8)
    weight = int4_weight.dequantize(codes, np.array([[0.5, 2]], np.float16), np.array([[8, 7]], np.uint8))
    np.testing.assert_array_equal(weight, [[-4, 3.5, 2, 0]])
