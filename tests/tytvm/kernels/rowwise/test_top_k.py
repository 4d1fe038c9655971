"""The largest of each row against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.rowwise import top_k
from tytvm.target import resolve


def run(x, count):
    kernel = Kernel(top_k.build(resolve("native"), *x.shape, count), resolve("native"))
    return outputs(kernel, [x], *top_k.reference(x, count), workers=3)


@pytest.mark.parametrize(("rows", "width", "count"), [(1, 8, 2), (7, 60, 4), (3, 5, 5), (4, 9, 1)])
def test_equals_reference(rows, width, count):
    x = np.random.default_rng(width).normal(size=(rows, width)).astype(np.float32)
    for found, expected in zip(run(x, count), top_k.reference(x, count), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_of_equal_values_the_first_comes_first():
    _, index = run(np.array([[0, 1, 1, 0, 1, -np.inf]], np.float32), 4)
    assert index.tolist() == [[1, 2, 4, 0]]


def test_every_index_is_one_of_the_row_even_of_nan():
    x = np.full((2, 6), np.nan, np.float32)
    x[1, 4] = 1
    _, index = run(x, 3)
    assert (
        (np.sort(index, axis=1)[:, 1:] > np.sort(index, axis=1)[:, :-1]).all() and index.min() >= 0 and index.max() < 6
    )
