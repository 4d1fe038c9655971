"""Parts of a context come together as their definition says, however far their row_max lie apart."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.attention import attention_merge
from tytvm.kernels.attention.causal_softmax import LOWEST
from tytvm.kernels.operands.attention_tiling import Attention, AttentionTiling
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("H", "KH", "S", "Dv"), [(14, 2, 1, 64), (4, 4, 3, 40)])
@pytest.mark.parametrize("has_sinks", [False, True])
def test_equals_reference(target, H, KH, S, Dv, has_sinks):
    rng = np.random.default_rng(Dv)
    tiling = AttentionTiling(
        Attention(KvCache(KH, 64, 64, Dv), H, S, 1.0, sinks=has_sinks),
        rows=H // KH * S,
        tiles=1,
        groups=1,
        splits=5,
        keys=64,
    )
    sums, denominators = (
        rng.normal(size=tiling.sums).astype(np.float32),
        rng.random(tiling.denominators).astype(np.float32),
    )
    row_max = rng.normal(0, 20, tiling.row_max).astype(np.float32)
    sums[4], denominators[4], row_max[4] = 0, 0, LOWEST  # a part without cache rows
    by_head = [x.reshape(KH, 5, *x.shape[1:]) for x in (sums, row_max, denominators)]
    sinks = rng.normal(0, 4, H).astype(np.float32)
    of_rows = sinks.reshape(KH, -1).repeat(S, axis=1) if has_sinks else [None] * KH
    rows = [attention_merge.reference(*(x[head] for x in by_head), of_rows[head]) for head in range(KH)]
    expected = np.stack(rows)[..., :Dv].reshape(H, S, Dv).swapaxes(0, 1)
    kernel = Kernel(attention_merge.build(resolve(target), tiling), resolve(target))
    (out,) = outputs(kernel, (sums, row_max, denominators, *([sinks] if has_sinks else [])), expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
