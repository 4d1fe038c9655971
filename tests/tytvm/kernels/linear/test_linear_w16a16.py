"""Linear layers with float16 weights against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.linear import float16_weight, linear_w16a16
from tytvm.target import resolve

SHAPES = [(1, 64, 64), (2, 100, 50), (5, 64, 7), (8, 256, 96), (16, 33, 130), (96, 128, 80), (13, 40, 16)]


def check(target, R, K, N, with_bias):
    spec = resolve(target)
    rng = np.random.default_rng(R * N)
    x, weight = rng.normal(size=(R, K)).astype(np.float32), rng.normal(size=(N, K)).astype(np.float16)
    bias = rng.normal(size=N).astype(np.float32)
    packed = float16_weight.pack(weight)
    expected = linear_w16a16.reference(x, weight, bias if with_bias else None)
    inputs = (x, packed["weight"], bias) if with_bias else (x, packed["weight"])
    kernel = Kernel(linear_w16a16.build(spec, R, K, N, with_bias), spec)
    for workers in (1, 3):
        (out,) = outputs(kernel, inputs, expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("R", "K", "N"), SHAPES)
def test_equals_reference(R, K, N):
    check("native", R, K, N, with_bias=False)


@pytest.mark.parametrize(("R", "K", "N"), SHAPES[1:5])
def test_equals_reference_with_a_bias(R, K, N):
    check("native", R, K, N, with_bias=True)


@pytest.mark.parametrize(("R", "K", "N"), SHAPES[:5])
def test_equals_reference_on_any_cpu(R, K, N):
    check("x86-64", R, K, N, with_bias=True)
