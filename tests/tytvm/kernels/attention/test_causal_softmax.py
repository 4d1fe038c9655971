"""A tile's softmax, block after block, against its definition: weights, denominators, sums and row maxima."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel
from tvm.script import tirx as T

from tytvm.kernels.attention.causal_softmax import CausalSoftmax, clear
from tytvm.kernels.operands.attention_tiling import Attention, AttentionTask, AttentionTiling
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.target import resolve

TILING = AttentionTiling(Attention(KvCache(1, 64, 16, 16), 1, 3, 1.0), rows=3, tiles=1, groups=1, splits=1, keys=32)
POSITION = 40  # rows see 41, 42 and 43 of 64 cache rows


@pytest.mark.parametrize("target", ["native", "x86-64"])
def test_weights_and_denominators(target):
    @T.prim_func(private=True)
    def softmax(
        scores: T.Buffer((2, 3, 32), "float32"),
        position: T.Buffer((1,), "int64"),
        block: T.Buffer((3, 32), "float32"),
        sums: T.Buffer(TILING.sums, "float32"),
        row_max: T.Buffer(TILING.row_max, "float32"),
        denominators: T.Buffer(TILING.denominators, "float32"),
    ) -> None:
        for i in T.parallel(1):
            task = T.meta_var(AttentionTask(TILING, i, position))
            clear(sums, row_max, denominators, task)
            for number in range(2):
                for row in range(3):
                    for key in range(32):
                        block[row, key] = scores[number, row, key]
                CausalSoftmax(task, block, None, sums, row_max, denominators).apply(
                    0, number * 32, task.before, task.before + 2
                )

    scores = np.random.default_rng(0).normal(0, 6, (2, 3, 32)).astype(np.float32)
    scores[1, 1, 3], scores[1, :, 11:] = 60, np.nan  # a leap; rows that nobody sees
    empty = [
        np.full(shape, np.nan, np.float32) for shape in ((3, 32), TILING.sums, TILING.row_max, TILING.denominators)
    ]
    arrays = Kernel(softmax, resolve(target))(scores, np.array([POSITION]), *empty)
    block, sums, row_max, denominators = arrays[2], *(each[0] for each in arrays[3:])
    seen = np.concatenate([scores[0], scores[1]], axis=1).astype(np.float64)
    seen = np.where(np.arange(64) <= POSITION + np.arange(3)[:, None], seen, -np.inf)
    weights = np.exp2(seen - row_max[:, None])
    np.testing.assert_allclose(denominators.sum(axis=1), weights.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(block, weights[:, 32:], rtol=1e-5, atol=1e-30)
    assert (seen.max(axis=1) - row_max <= 8.0).all() and not sums.any()
