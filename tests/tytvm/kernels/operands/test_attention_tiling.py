"""Tasks: each visible cache row belongs to exactly one split, and the splits are about equal."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tvm.script import tirx as T

from tytvm.kernels.operands.attention_tiling import Attention, AttentionTask, AttentionTiling
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.target import resolve


def tasks(tiling, positions):
    """Begin and end of each task at each position: int32 [positions, tasks, 2]."""

    @T.prim_func(private=True)
    def bounds(position: T.Buffer((1,), "int64"), out: T.Buffer((tiling.tasks, 2), "int32")) -> None:
        for i in T.parallel(tiling.tasks):
            task = T.meta_var(AttentionTask(tiling, i, position))
            out[i, 0] = task.begin
            out[i, 1] = task.end

    kernel, empty = Kernel(bounds, resolve("native")), np.zeros((tiling.tasks, 2), np.int32)
    return [outputs(kernel, (np.array([position]),), empty)[0] for position in positions]


@pytest.mark.parametrize("window", [0, 700])
def test_splits_cover_the_visible_rows_once_and_about_equally(window):
    tiling = AttentionTiling(
        Attention(KvCache(1, 4096, 64, 64), 7, 1, 1.0, window), rows=7, tiles=1, groups=1, splits=8, keys=64
    )
    positions = [0, 15, 16, 63, 64, 500, 1000, 4000, 4095]
    for position, found in zip(positions, tasks(tiling, positions), strict=True):
        rows = [row for begin, end in found for row in range(begin, end)]
        first = max(0, position - window + 1) // 16 * 16 if window else 0  # whole tiles; the mask leaves out the rest
        assert rows == list(range(first, position + 1))
        if position >= 1000:
            sizes = [max(0, end - begin) for begin, end in found]
            assert max(sizes) <= 1.25 * len(rows) / tiling.splits


def test_a_group_of_queries_sees_what_its_last_one_sees():
    tiling = AttentionTiling(
        Attention(KvCache(2, 512, 64, 64), 2, 40, 1.0), rows=10, tiles=2, groups=2, splits=1, keys=128
    )
    (found,) = tasks(tiling, [100])
    assert found.tolist() == [[0, 140]] * 4
