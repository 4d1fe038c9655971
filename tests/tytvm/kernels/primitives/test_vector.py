"""Chunks and lanes divide what they cut."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import RUNNABLE, Kernel
from tvm.script import tirx as T

from tytvm.kernels.primitives.vector import ceildiv, chunk_size, fence, lanes_of, span
from tytvm.target import resolve


@pytest.mark.parametrize(("extent", "lanes"), [(64, 16), (72, 8), (100, 4), (7, 1), (16, 16)])
def test_lanes(extent, lanes):
    assert lanes_of(extent) == lanes


@pytest.mark.parametrize(("extent", "at_most", "piece"), [(18944, 256, 256), (3584, 512, 512), (7, 3, 1), (96, 7, 6)])
def test_piece(extent, at_most, piece):
    assert chunk_size(extent, at_most) == piece


def test_ceildiv():
    assert [ceildiv(extent, 16) for extent in (1, 16, 17)] == [1, 1, 2]


@pytest.mark.parametrize("target", RUNNABLE)
def test_a_fence_keeps_all_bits(target):
    @T.prim_func(private=True)
    def copy(values: T.Buffer((2048, 32), "int16"), out: T.Buffer((2048, 32), "int16")) -> None:
        for i in T.parallel(2048):
            out[i, span(0, 32)] = fence(values[i, span(0, 32)], "int16", 32)

    values = np.arange(-(1 << 15), 1 << 15, dtype=np.int32).astype(np.int16).reshape(2048, 32)
    result = Kernel(copy, resolve(target))(values, np.zeros_like(values))[1]
    np.testing.assert_array_equal(result, values)
