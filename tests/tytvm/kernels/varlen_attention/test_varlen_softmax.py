"""The online softmax of 32 queries over two blocks, the last one not full, against its definition."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel
from tvm.script import tirx as T

from tytvm.kernels.operands.packed_sequences import PackedSequences
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.varlen_attention.varlen_products import BLOCK
from tytvm.kernels.varlen_attention.varlen_softmax import VarlenSoftmax
from tytvm.target import resolve

SHAPE = PackedSequences((BLOCK + 40,), 1, 1, 16, 16, 1.0, False)


@pytest.mark.parametrize("target", ["native", "x86-64"])
def test_weights_and_denominators(target):
    @T.prim_func(private=True)
    def softmax(
        scores: T.Buffer((2, 32, BLOCK), "float32"),
        block: T.Buffer((32, BLOCK), "float32"),
        inverse: T.Buffer((32,), "float32"),
        row_max: T.Buffer((32,), "float32"),
    ) -> None:
        for _ in T.parallel(1):
            sums = T.meta_var(scratch((32, 16), "float32"))
            own = T.meta_var(VarlenSoftmax(SHAPE, block, None, sums, 32 * 16 * 4))
            own.clear()
            for number in range(2):
                for row in range(32):
                    for key in range(BLOCK):
                        block[row, key] = scores[number, row, key]
                own.apply(T.if_then_else(number == 0, BLOCK, 40), T.if_then_else(number == 0, BLOCK // 32, 2))
            for row in range(32):
                inverse[row] = own.inverse(row)
                row_max[row] = own.row_max[row]

    scores = np.random.default_rng(0).normal(0, 6, (2, 32, BLOCK)).astype(np.float32)
    scores[1, 3, 5], scores[1, :, 40:] = 70, 900  # a row whose maximum rises; positions without a token
    empty = [np.full(shape, np.nan, np.float32) for shape in ((32, BLOCK), (32,), (32,))]
    _, block, inverse, row_max = Kernel(softmax, resolve(target))(scores, *empty)
    seen = np.concatenate([scores[0], scores[1, :, :40]], axis=1).astype(np.float64)
    weights = np.exp2(seen - row_max[:, None])
    np.testing.assert_allclose(1 / inverse, weights.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(block[:, :40], weights[:, BLOCK:], rtol=1e-5, atol=1e-30)
    assert (seen.max(axis=1) - row_max <= 8.0).all()
    assert (block[:, 40:64] < 1e-37).all()  # positions without a token: the smallest power that `exp2` gives
