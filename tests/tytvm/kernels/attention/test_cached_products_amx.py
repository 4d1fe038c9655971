"""Both products of a tile of query rows with a block of the cache on AMX tiles, and the rounding of pairs."""

import numpy as np
import pytest
from tests.tytvm.kernels.attention.test_cached_products_float import run

from tytvm.kernels.attention.cached_products_amx import ROWS, CachedTileProducts, bytes_of, packed_width
from tytvm.kernels.operands.attention_tiling import Attention, AttentionTiling
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.kernels.primitives.scratch import BYTES
from tytvm.target import native

SHAPE = Attention(KvCache(1, 32, 48, 32), 2, 16, 0.25, coarse=True)
TILING = AttentionTiling(SHAPE, rows=ROWS, tiles=1, groups=1, splits=1, keys=64, tiled=True)


@pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")
def test_scores_and_weighted_values():
    workspace = (1, 1, ROWS, packed_width(TILING)), "uint16"
    for found, expected in run(native(), TILING, CachedTileProducts, workspace):
        np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.06)


@pytest.mark.parametrize(("D", "width"), [(32, 32), (48, 64), (80, 96), (128, 128)])
def test_a_block_fits_scratch_memory(D, width):
    tiling = AttentionTiling(Attention(KvCache(1, 4096, D, D), 8, 64, 1.0), ROWS, 1, 1, 1, keys=256, tiled=True)
    assert packed_width(tiling) == width and bytes_of(tiling) <= BYTES
