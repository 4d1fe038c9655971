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
def test_equals_reference(target, H, KH, S, Dv):
    rng = np.random.default_rng(Dv)
    tiling = AttentionTiling(
        Attention(KvCache(KH, 64, 64, Dv), H, S, 1.0), rows=H // KH * S, tiles=1, groups=1, splits=5, keys=64
    )
    sums, denominators = (
        rng.normal(size=tiling.sums).astype(np.float32),
        rng.random(tiling.denominators).astype(np.float32),
    )
    row_max = rng.normal(0, 20, tiling.row_max).astype(np.float32)
    sums[4], denominators[4], row_max[4] = 0, 0, LOWEST  # a part without cache rows
    by_head = [x.reshape(KH, 5, *x.shape[1:]) for x in (sums, row_max, denominators)]
    rows = [attention_merge.reference(*(x[head] for x in by_head)) for head in range(KH)]
    expected = np.stack(rows)[..., :Dv].reshape(H, S, Dv).swapaxes(0, 1)
    kernel = Kernel(attention_merge.build(resolve(target), tiling), resolve(target))
    (out,) = outputs(kernel, (sums, row_max, denominators), expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
