"""Linear layers with INT4 weights and float activations against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tests.tytvm.kernels.linear.test_int4_weight import random_weight

from tytvm.kernels.linear import int4_weight, linear_w4a16
from tytvm.target import resolve

CASES = [
    # R, K, N, group
    (1, 256, 64, 128),
    (1, 384, 130, 128),
    (2, 96, 50, 96),
    (5, 32, 7, 32),
    (8, 384, 96, 128),
    (16, 256, 130, 128),
    (96, 192, 80, 64),
    (13, 96, 16, 32),
]


def check(target, case, with_bias):
    R, K, N, group = case
    spec = resolve(target)
    rng = np.random.default_rng(R * N)
    x = rng.normal(size=(R, K)).astype(np.float32)
    weight = random_weight(rng, N, K, group)
    packed = int4_weight.pack(*weight)
    bias = rng.normal(size=N).astype(np.float32)
    expected = linear_w4a16.reference(x, *weight, bias if with_bias else None)
    inputs = [x, packed["weight"], packed["scale"], packed["zero"], *([bias] if with_bias else [])]
    kernel = Kernel(linear_w4a16.build(spec, R, K, N, group, with_bias), spec)
    for workers in (1, 3):
        (out,) = outputs(kernel, inputs, expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case):
    check("native", case, with_bias=False)


@pytest.mark.parametrize("case", CASES[2:6])
def test_equals_reference_with_a_bias(case):
    check("native", case, with_bias=True)


@pytest.mark.parametrize("case", CASES[1:6])
def test_equals_reference_on_any_cpu(case):
    check("x86-64", case, with_bias=True)
