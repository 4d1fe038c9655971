"""Both products of a tile of query rows with a block of the cache in float32, read as it is and from scratch memory."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel
from tvm.script import tirx as T

from tytvm.kernels.attention.cached_products_float import CachedFloatProducts, FromCache, FromScratch
from tytvm.kernels.operands.attention_tiling import Attention, AttentionTask, AttentionTiling
from tytvm.kernels.operands.kv_cache import KvCache, tile_keys
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.scratch import scratch
from tytvm.target import resolve

TILING = AttentionTiling(Attention(KvCache(1, 32, 24, 32), 2, 2, 0.25), rows=4, tiles=1, groups=1, splits=1, keys=64)


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize("is_converted", [False, True])
def test_scores_and_weighted_values(target, is_converted):
    spec = resolve(target)

    def products_of(cache, queries, sums):
        scores = scratch((TILING.rows, TILING.keys), "float32")
        memory = scratch((FromScratch.size(TILING),), "float32", 4 * TILING.rows * TILING.keys)
        source = FromScratch(cache, memory) if is_converted else cache
        return CachedFloatProducts(spec, source, queries, scores, sums)

    for found, expected in run(spec, TILING, products_of, ((1, 1, 24, 4), "float32")):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def run(spec, tiling, products_of, workspace):
    """Scores of four tokens with 32 keys, and 32 weighted values: what one task computes, and the same in NumPy."""
    shape = tiling.shape
    cache = shape.cache

    @T.prim_func(private=True)
    def products(
        q: T.Buffer((shape.H, shape.S, cache.D), "float32"),
        k: T.Buffer(cache.keys, cache.dtype),
        v: T.Buffer(cache.values, cache.dtype),
        position: T.Buffer((1,), "int64"),
        weights: T.Buffer((tiling.rows, tiling.keys), "float32"),
        queries: T.Buffer(*workspace),
        scores: T.Buffer((tiling.rows, tiling.keys), "float32"),
        sums: T.Buffer(tiling.sums, "float32"),
    ) -> None:
        for i in T.parallel(tiling.tasks):
            task = T.meta_var(AttentionTask(tiling, i, position))
            own = T.meta_var(products_of(FromCache(task, k, v, None, None), queries, sums))
            own.pack(q)
            if tiling.tiled:
                amx.start()
            own.load(0)
            own.score(0, 0, 32)
            for row in range(tiling.rows):
                for key in range(tiling.keys):
                    scores[row, key] = own.scores[row, key]
                    set_weight(own, row, key, weights[row, key])
            own.gather(0, 0, 32)
            if tiling.tiled:
                amx.end()

    rng = np.random.default_rng(0)
    q = rng.normal(size=(shape.H, shape.S, cache.D)).astype(np.float32)
    k, v = (rng.normal(size=(1, 32, width)).astype(np.float16) for width in (cache.D, cache.values[2]))
    weights = rng.random((tiling.rows, tiling.keys)).astype(np.float32)
    weights = (weights.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)  # exact as bfloat16 too
    empty = [np.zeros(*workspace), np.zeros_like(weights), np.zeros(tiling.sums, np.float32)]
    arrays = Kernel(products, spec)(q, tile_keys(k), v, np.array([32 - shape.S]), weights, *empty)
    expected = shape.factor * q.reshape(-1, cache.D) @ k[0].astype(np.float32).T
    return (arrays[-2][: shape.query_rows, :32], expected), (arrays[-1][0], weights[:, :32] @ v[0].astype(np.float32))


def set_weight(products, row, key, value):
    """Puts a weight where the product looks for it: in place of the score, or as bfloat16."""
    if products.weights is None:
        T.buffer_store(products.scores, value, [row, key])
    else:
        bits = T.reinterpret("uint32", value) >> T.uint32(16)
        T.buffer_store(products.weights, T.cast(bits, "uint16"), [row, key])
