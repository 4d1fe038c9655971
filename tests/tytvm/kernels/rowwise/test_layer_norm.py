"""LayerNorm against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.operands.encoding import Bfloat16
from tytvm.kernels.rowwise import bfloat16_tiles, layer_norm
from tytvm.target import resolve


def sample(R, H):
    rng = np.random.default_rng(R * H)
    x = rng.normal(5, 3, (R, H)).astype(np.float32)
    return x, rng.normal(1, 0.2, H).astype(np.float32), rng.normal(0, 0.2, H).astype(np.float32)


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("R", "H"), [(1, 64), (5, 100), (40, 1280), (8, 7)])
def test_equals_reference(target, R, H):
    x, weight, bias = sample(R, H)
    expected = layer_norm.reference(x, weight, bias, 1e-6)
    kernel = Kernel(layer_norm.build(resolve(target), R, H, 1e-6), resolve(target))
    for workers in (1, 3):
        (out,) = outputs(kernel, (x, weight, bias), expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=3e-6)


def test_a_large_mean_costs_no_digits():
    x, weight, bias = sample(3, 256)
    x = np.float32(1000) + np.round(x * 64) / 64  # representable: what is left is the arithmetic's own error
    kernel = Kernel(layer_norm.build(resolve("native"), 3, 256, 1e-6), resolve("native"))
    expected = layer_norm.reference(x, weight, bias, 1e-6)
    (out,) = outputs(kernel, (x, weight, bias), expected)
    np.testing.assert_allclose(out, expected, atol=2e-4)


@pytest.mark.skipif(not resolve("native").has_tiles, reason="bfloat16 is for CPUs with AMX")
def test_of_a_sum_in_bfloat16_tiles():
    x, weight, bias = sample(20, 96)
    y = x[::-1].copy()
    expected = bfloat16_tiles.reference(layer_norm.reference(x + y, weight, bias, 1e-6))
    kernel = Kernel(layer_norm.build(resolve("native"), 20, 96, 1e-6, Bfloat16(), True), resolve("native"))
    total, tiles = outputs(kernel, (x, y, weight, bias), x, expected, workers=3)
    np.testing.assert_array_equal(total, x + y)
    values = [
        (each.astype(np.uint32) << 16).view(np.float32).transpose(0, 2, 1, 3).reshape(32, 96)[:20]
        for each in (tiles, expected)
    ]
    np.testing.assert_allclose(*values, rtol=2**-7, atol=1e-5)
