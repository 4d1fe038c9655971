"""Parts of a context come together as their definition says, however far their peaks lie apart."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.attention import attention_merge
from tytvm.kernels.attention.attention_cut import Attention, Cut
from tytvm.kernels.attention.kv_cache import KvCache
from tytvm.kernels.attention.softmax_block import LOWEST
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("H", "KH", "S", "Dv"), [(14, 2, 1, 64), (4, 4, 3, 40)])
def test_equals_reference(target, H, KH, S, Dv):
    rng = np.random.default_rng(Dv)
    cut = Cut(Attention(KvCache(KH, 64, 64, Dv), H, S, 1.0), rows=H // KH * S, tiles=1, groups=1, parts=5, keys=64)
    sums, totals = rng.normal(size=cut.sums).astype(np.float32), rng.random(cut.totals).astype(np.float32)
    peaks = rng.normal(0, 20, cut.peaks).astype(np.float32)
    sums[4], totals[4], peaks[4] = 0, 0, LOWEST  # a part without cache rows
    by_head = [x.reshape(KH, 5, *x.shape[1:]) for x in (sums, peaks, totals)]
    rows = [attention_merge.reference(*(x[head] for x in by_head)) for head in range(KH)]
    expected = np.stack(rows)[..., :Dv].reshape(H, S, Dv).swapaxes(0, 1)
    kernel = Kernel(attention_merge.build(resolve(target), cut), resolve(target))
    (out,) = outputs(kernel, (sums, peaks, totals), expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
