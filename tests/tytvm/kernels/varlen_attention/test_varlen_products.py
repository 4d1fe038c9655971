"""Both products of 32 queries with a block of keys, against NumPy: in float32, and on AMX tiles."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tvm.script import tirx as T

from tytvm.kernels.operands.packed_sequences import PackedSequences
from tytvm.kernels.operands.qkv_source import QkvSource
from tytvm.kernels.primitives import amx
from tytvm.kernels.varlen_attention import varlen_pack
from tytvm.kernels.varlen_attention.varlen_products import BLOCK, VarlenFloatProducts, VarlenTileProducts
from tytvm.target import native

TOKENS = 64


@pytest.mark.parametrize("tiled", [False, True])
def test_scores_and_weighted_values(tiled):
    if tiled and not native().has_tiles:
        pytest.skip("this machine has no AMX")
    shape = PackedSequences((TOKENS,), 1, 1, 32, 48, 1.0, tiled)
    (queries, qt), (keys, kt), (values, vt) = shape.packed()
    products_of, kind = (VarlenTileProducts, "uint16") if tiled else (VarlenFloatProducts, "float32")

    @T.prim_func(private=True)
    def products(
        q: T.Buffer(queries, qt),
        k: T.Buffer(keys, kt),
        v: T.Buffer(values, vt),
        weights: T.Buffer((32, BLOCK), kind),
        scores: T.Buffer((32, BLOCK), "float32"),
        sums: T.Buffer((32, 48), "float32"),
    ) -> None:
        for i in T.parallel(1):
            if tiled:
                amx.start()
            own = T.meta_var(products_of(native(), shape, [q, k, v], (i, i), scores, weights, sums))
            own.score(32, 0, 2)
            taken = T.meta_var(products_of(native(), shape, [q, k, v], (i, i), weights, weights, sums))
            taken.gather(0, 2)
            if tiled:
                amx.end()

    rng = np.random.default_rng(0)
    q, k = (rng.normal(size=(TOKENS, 1, 32)).astype(np.float32) for _ in range(2))
    v = rng.normal(size=(TOKENS, 1, 48)).astype(np.float32)
    packing = Kernel(varlen_pack.build(native(), shape, QkvSource(TOKENS)), native())
    packed = outputs(packing, [q, k, v, shape.token_rows()], *(np.empty(*each) for each in shape.packed()))
    weight = rng.random((32, BLOCK)).astype(np.float32)
    stored = (weight.view(np.uint32) >> 16).astype(np.uint16) if tiled else weight
    arrays = [*packed, stored, np.zeros((32, BLOCK), np.float32), np.zeros((32, 48), np.float32)]
    *_, scores, sums = Kernel(products, native())(*arrays)
    close = {"rtol": 2e-2, "atol": 0.3} if tiled else {"rtol": 1e-4, "atol": 1e-4}
    expected = np.log2(np.e) * q[32:, 0] @ k[:, 0].T
    np.testing.assert_allclose(scores[:, :TOKENS], expected, **close)
    np.testing.assert_allclose(sums, weight[:, :TOKENS] @ v[:, 0], **close)
