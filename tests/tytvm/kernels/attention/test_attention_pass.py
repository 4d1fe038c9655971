"""What a pass leaves of a split of the context; `test_attention.py` compares what comes out in the end."""

import numpy as np
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.attention import attention
from tytvm.kernels.attention.causal_softmax import LOWEST
from tytvm.kernels.operands.attention_tiling import Attention
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.target import resolve


def test_a_split_without_rows_yet_leaves_empty_sums():
    spec, shape = resolve("native"), Attention(KvCache(1, 4096, 64, 64), 1, 1, 0.125)
    tiling = attention.tiling_of(spec, shape)
    assert tiling.splits == 16
    rng = np.random.default_rng(0)
    cache = [rng.normal(size=each).astype(np.float16) for each in (shape.cache.keys, shape.cache.values)]
    own = [np.empty(*each) for each in attention.own_buffers(tiling)]
    inputs = rng.normal(size=(1, 1, 64)).astype(np.float32), *cache, np.array([9])
    _, sums, row_max, denominators = outputs(Kernel(attention.build(spec, shape), spec), inputs, *own)
    assert row_max[0] > LOWEST
    np.testing.assert_array_equal(row_max[1:], np.float32(LOWEST))
    np.testing.assert_array_equal(sums[1:], 0)
    np.testing.assert_array_equal(denominators[1:], 0)
