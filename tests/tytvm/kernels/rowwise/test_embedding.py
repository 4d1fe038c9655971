"""Embedding rows against NumPy, row-major and in the layout of a tied head."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.linear import float16_weight
from tytvm.kernels.rowwise import embedding
from tytvm.target import resolve


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(("S", "rows", "H"), [(1, 40, 64), (6, 101, 72), (96, 50, 1024)])
def test_equals_reference(S, rows, H, tiled):
    rng = np.random.default_rng(S)
    table = rng.normal(size=(rows, H)).astype(np.float16)
    first = 7
    tokens = rng.integers(0, rows + 20, S)
    tokens[:3] = [first, first - 1, first + rows][: min(S, 3)]  # the first row, and one beyond each end
    expected = embedding.reference(tokens, first, table)
    stored = float16_weight.pack(table)["weight"] if tiled else table
    kernel = Kernel(embedding.build(resolve("native"), S, rows, H, tiled), resolve("native"))
    (out,) = outputs(kernel, (tokens, np.array([first]), stored), expected, workers=3)
    np.testing.assert_array_equal(out, expected)
