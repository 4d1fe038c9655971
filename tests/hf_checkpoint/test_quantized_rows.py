"""Quantized rows: the weights that they stand for, and some inputs of them."""

import numpy as np
import pytest

from hf_checkpoint.quantized_rows import QuantizedRows

N, K, GROUP = 6, 64, 16


def random_rows(dtype=np.float16):
    rng = np.random.default_rng(0)
    codes, zeros = (rng.integers(0, 16, (N, width), np.uint8) for width in (K, K // GROUP))
    return QuantizedRows(codes, rng.uniform(0.01, 0.1, (N, K // GROUP)).astype(dtype), zeros)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_each_weight_is_its_code_less_the_zero_times_the_scale(dtype):
    rows = random_rows(dtype)
    found = rows.dequantize()
    assert found.dtype == np.float32 and rows.group_size == GROUP
    for row, column in ((0, 0), (2, 17), (5, 63)):
        group = column // GROUP
        steps = int(rows.codes[row, column]) - int(rows.zeros[row, group])
        assert found[row, column] == np.float32(steps) * np.float32(rows.scales[row, group])


@pytest.mark.parametrize(("start", "stop", "size"), [(16, 48, 16), (0, 64, 8), (8, 24, 8), (32, 64, 4)])
def test_some_inputs_by_groups_as_large_or_smaller(start, stop, size):
    rows = random_rows()
    part = rows.columns(start, stop, size)
    assert part.group_size == size
    np.testing.assert_array_equal(part.dequantize(), rows.dequantize()[:, start:stop])
