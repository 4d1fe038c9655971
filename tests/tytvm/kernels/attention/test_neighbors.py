# mypy: disable-error-code="valid-type,untyped-decorator"
"""Which rows of a batch share a pass; `test_attention.py` compares what passes compute."""

from dataclasses import replace

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tvm.script import tirx as T

from tytvm.kernels.attention import attention, neighbors
from tytvm.kernels.operands.attention_tiling import Attention
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.target import resolve

ROWS = 8


def counted(most):
    """A kernel that counts from each row on, at most so many."""

    @T.prim_func(private=True)
    def count(
        row_count: T.Buffer((1,), "int64"),
        slot: T.Buffer((ROWS,), "int64"),
        position: T.Buffer((ROWS,), "int64"),
        out: T.Buffer((ROWS,), "int32"),
    ) -> None:
        for i in T.parallel(ROWS):
            out[i] = neighbors.count_neighbors(slot, position, row_count, i, most)

    return Kernel(count, resolve("native"))


@pytest.mark.parametrize(
    ("slot", "position", "used", "most", "expected"),
    [
        ([0] * 8, range(8), 8, 8, [8, 0, 0, 0, 0, 0, 0, 0]),
        ([0] * 8, range(8), 8, 3, [3, 0, 0, 3, 0, 0, 2, 0]),
        ([0] * 8, range(8), 5, 8, [5, 0, 0, 0, 0]),
        ([0] * 8, range(8), 1, 8, [1]),
        ([0, 1, 1, 2, 2, 2, 1, 0], [5, 5, 6, 9, 10, 11, 7, 6], 8, 8, [1, 2, 0, 3, 0, 0, 1, 1]),
        ([0] * 8, [3, 2, 1, 0, 0, 1, 5, 6], 8, 8, [1, 1, 1, 1, 2, 0, 2, 0]),
    ],
)
def test_the_first_of_neighbors_counts_them(slot, position, used, most, expected):
    inputs = np.array([used]), np.array(slot, np.int64), np.array(position, np.int64)
    (found,) = outputs(counted(most), inputs, np.empty(ROWS, np.int32))
    assert found[:used].tolist() == expected


def test_how_many_neighbors_share_a_pass():
    tiling = attention.tiling_of(resolve("native"), Attention(KvCache(2, 64, 64, 64, slot_bytes=4096), 14, 16, 0.125))
    assert neighbors.tiling_of_neighbors(resolve("native"), tiling).shape.S == 16
    many_heads = replace(tiling, shape=replace(tiling.shape, H=100))
    assert neighbors.tiling_of_neighbors(resolve("native"), many_heads).shape.S == 4
    too_many = replace(tiling, shape=replace(tiling.shape, H=400))
    assert neighbors.tiling_of_neighbors(resolve("native"), too_many) is None
