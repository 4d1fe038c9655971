"""Columns by their numbers against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.rowwise import gather_columns
from tytvm.target import resolve


@pytest.mark.parametrize("count", [1, 4])
def test_equals_reference(count):
    rng = np.random.default_rng(count)
    x, index = rng.normal(size=(5, 9)).astype(np.float32), rng.integers(0, 9, (5, count))
    expected = gather_columns.reference(x, index)
    kernel = Kernel(gather_columns.build(resolve("native"), 5, 9, count), resolve("native"))
    (out,) = outputs(kernel, [x, index], expected, workers=3)
    np.testing.assert_array_equal(out, expected)
