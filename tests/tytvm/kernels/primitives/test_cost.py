"""Costs add up, and their bytes are those of the buffers."""

import numpy as np

from tytvm.kernels.linear import float16_weight, int4_weight, linear_w4a8, linear_w16a16
from tytvm.kernels.primitives.cost import Cost
from tytvm.kernels.rowwise import rms_norm


def test_sum():
    total = Cost({"int8": 2}, 3, 4) + Cost({"int8": 1, "float32": 5}, 10, 20)
    assert total == Cost({"float32": 5, "int8": 3}, 13, 24)


def test_bytes_are_those_of_the_buffers():
    x, out = np.empty((2, 64), np.float32), np.empty((2, 50), np.float32)
    packed = float16_weight.pack(np.ones((50, 64), np.float16))
    assert linear_w16a16.cost(2, 64, 50).bytes_read == x.nbytes + packed["weight"].nbytes
    assert linear_w16a16.cost(2, 64, 50).bytes_written == out.nbytes
    assert rms_norm.cost(2, 64, 1e-6).bytes_read == x.nbytes + 64 * 4
    four_bit = linear_w4a8.cost(2, 64, 50, 32, 32, with_bias=True)
    assert four_bit.bytes_read == 2 * 64 + 2 * 2 * 2 * 4 + int4_weight.size_of(64, 50, 32) + 50 * 4
    assert four_bit.operations["int8"] == 2 * 2 * 64 * 50
