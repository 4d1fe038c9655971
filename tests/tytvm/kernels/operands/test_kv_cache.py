"""The layout of the cache: shapes, tiles of keys and back, and int8 rows within half a step."""

import numpy as np

from tytvm.kernels.operands.kv_cache import KvCache, quantize, tile_keys, untile_keys


def test_shapes():
    cache = KvCache(2, 40, 72, 40, "int8")
    assert (cache.keys, cache.values, cache.scales) == ((2, 3, 72, 16), (2, 48, 48), (2, 3, 16))
    assert list(cache.tensors) == ["k", "v", "k_scale", "v_scale"]
    assert list(KvCache(2, 40, 72, 40).tensors) == ["k", "v"]
    assert (cache.row_bytes, KvCache(2, 40, 72, 40).row_bytes) == (72 + 40 + 8, 2 * (72 + 40))


def test_a_key_is_a_column_of_its_tile():
    rows = np.arange(2 * 32 * 5).reshape(2, 32, 5)
    tiles = tile_keys(rows)
    assert np.array_equal(tiles[1, 1, :, 3], rows[1, 19])
    assert np.array_equal(untile_keys(tiles), rows)


def test_int8_rows_are_within_half_a_step():
    rows = np.random.default_rng(0).normal(size=(2, 7, 64)).astype(np.float32)
    rows[0, 0] = 0
    codes, scales = quantize(rows)
    assert (np.abs(codes * scales[..., None] - rows) <= 0.501 * scales[..., None]).all()
    assert (np.abs(codes[1]).max(axis=-1) == 127).all() and not codes[0, 0].any()
