"""Rows by their numbers against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.operands.encoding import Int8
from tytvm.kernels.rowwise import quantize_rows, select_rows
from tytvm.target import resolve


@pytest.mark.parametrize("index", [[0], [3], [-1], [4, 9, 2]])
def test_equals_reference(index):
    x = np.random.default_rng(0).normal(size=(5, 96)).astype(np.float32)
    index = np.asarray(index)
    expected = select_rows.reference(x, index)
    kernel = Kernel(select_rows.build(resolve("native"), 5, 96, len(index)), resolve("native"))
    (out,) = outputs(kernel, (x, index), expected, workers=3)
    np.testing.assert_array_equal(out, expected)


def test_in_int8():
    x = np.random.default_rng(0).normal(size=(2, 128)).astype(np.float32)
    index = np.asarray([1])
    expected = quantize_rows.reference(x[index], 32)
    kernel = Kernel(select_rows.build(resolve("native"), 2, 128, 1, Int8(32)), resolve("native"))
    q, scale, _ = outputs(kernel, (x, index), *expected)
    np.testing.assert_allclose(scale, expected[1], rtol=1e-6)
    assert np.abs(q.astype(int) - expected[0]).max() <= 1
