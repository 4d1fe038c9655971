"""Filled columns against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.rowwise import fill_columns
from tytvm.target import resolve


@pytest.mark.parametrize("value", [1.0, float("-inf")])
def test_equals_reference(value):
    rng = np.random.default_rng(0)
    x, index = rng.normal(size=(5, 9)).astype(np.float32), rng.integers(0, 9, (5, 2))
    expected = fill_columns.reference(x, index, value)
    kernel = Kernel(fill_columns.build(resolve("native"), 5, 9, 2, value), resolve("native"))
    (out,) = outputs(kernel, [x, index], expected, workers=3)
    np.testing.assert_array_equal(out, expected)
