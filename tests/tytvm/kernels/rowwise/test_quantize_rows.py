"""Quantization of activations against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.rowwise import quantize_rows
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("R", "K", "group"), [(1, 128, 32), (2, 896, 128), (5, 96, 96), (96, 256, 64)])
def test_equals_reference(target, R, K, group):
    rng = np.random.default_rng(K)
    x = rng.standard_t(2, (R, K)).astype(np.float32)
    x[0, :group] = 0
    x[-1, -group:] *= np.float32(1e-38)  # too small to have a scale
    q, scale, total = quantize_rows.reference(x, group)
    kernel = Kernel(quantize_rows.build(resolve(target), R, K, group), resolve(target))
    out_q, out_scale, out_total = outputs(kernel, (x,), q, scale, total, workers=3)
    np.testing.assert_allclose(out_scale, scale, rtol=1e-6)
    # A product on the edge between two integers may fall either way, for a fused multiply-add rounds once.
    assert np.abs(out_q.astype(int) - q).max() <= 1
    assert np.mean(out_q != q) < 1e-3
    np.testing.assert_array_equal(out_total, out_q.reshape(R, -1, group).sum(axis=-1, dtype=np.int32))


@pytest.mark.parametrize(("R", "K", "group"), [(32, 256, 128), (37, 192, 64)])
def test_tiles_hold_the_same_codes(R, K, group):
    x = np.random.default_rng(K).normal(size=(R, K)).astype(np.float32)
    rows, flat_scale, total = (np.empty_like(each) for each in quantize_rows.reference(x, group))
    spec = resolve("native")
    flat, flat_scale, _ = outputs(
        Kernel(quantize_rows.build(spec, R, K, group), spec), (x,), rows, flat_scale, total, workers=2
    )
    kernel = Kernel(quantize_rows.build(spec, R, K, group, tiled=True), spec)
    tiled, scale = outputs(kernel, (x,), quantize_rows.tiles(rows), flat_scale, workers=2)
    np.testing.assert_array_equal(scale, flat_scale)
    untiled = tiled.transpose(0, 2, 1, 3).reshape(-1, K)[:R]
    np.testing.assert_array_equal(untiled, flat)


def test_error_is_half_a_step():
    x = np.random.default_rng(0).normal(size=(8, 256)).astype(np.float32)
    q, scale, _ = quantize_rows.reference(x, 64)
    error = np.abs(q.reshape(8, 4, 64) * scale[..., None] - x.reshape(8, 4, 64))
    assert (error <= scale[..., None] * 0.5001).all()
