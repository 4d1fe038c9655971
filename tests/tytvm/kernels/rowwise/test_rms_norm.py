"""RMSNorm against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.operands.encoding import Bfloat16, Int8
from tytvm.kernels.rowwise import bfloat16_tiles, quantize_rows, rms_norm
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("R", "H"), [(1, 64), (2, 256), (5, 100), (96, 896), (8, 7)])
def test_equals_reference(target, R, H):
    rng = np.random.default_rng(R * H)
    x, weight = rng.normal(0, 3, (R, H)).astype(np.float32), rng.normal(1, 0.2, H).astype(np.float32)
    expected = rms_norm.reference(x, weight, 1e-6)
    kernel = Kernel(rms_norm.build(resolve(target), R, H, 1e-6), resolve(target))
    for workers in (1, 3):
        (out,) = outputs(kernel, (x, weight), expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("R", "H"), [(1, 896), (3, 160), (40, 256)])
def test_of_a_sum_in_int8(target, R, H):
    rng = np.random.default_rng(H)
    x, y = rng.normal(0, 3, (2, R, H)).astype(np.float32)
    weight = rng.normal(1, 0.2, H).astype(np.float32)
    expected = quantize_rows.reference(rms_norm.reference(x + y, weight, 1e-6), 32)
    kernel = Kernel(rms_norm.build(resolve(target), R, H, 1e-6, Int8(32), with_sum=True), resolve(target))
    total, q, scale, sums = outputs(kernel, (x, y, weight), x, *expected, workers=3)
    np.testing.assert_array_equal(total, x + y)
    np.testing.assert_allclose(scale, expected[1], rtol=1e-5)
    assert np.abs(q.astype(int) - expected[0]).max() <= 1 and np.mean(q != expected[0]) < 1e-3
    np.testing.assert_array_equal(sums, q.reshape(R, -1, 32).sum(axis=-1, dtype=np.int32))


@pytest.mark.skipif(not resolve("native").has_tiles, reason="bfloat16 is for CPUs with AMX")
def test_in_bfloat16_tiles():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(0, 3, (20, 96)).astype(np.float32), rng.normal(1, 0.2, 96).astype(np.float32)
    expected = bfloat16_tiles.reference(rms_norm.reference(x, weight, 1e-6))
    kernel = Kernel(rms_norm.build(resolve("native"), 20, 96, 1e-6, Bfloat16()), resolve("native"))
    (tiles,) = outputs(kernel, (x, weight), expected, workers=3)
    rows = [each.transpose(0, 2, 1, 3).reshape(32, 96)[:20].astype(int) for each in (tiles, expected)]
    assert np.abs(rows[0] - rows[1]).max() <= 1  # neighbors in bfloat16
