"""Linear layers with INT4 weights and int8 activations against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import RUNNABLE, Kernel, outputs
from tests.tytvm.kernels.linear.test_int4_weight import random_weight

from tytvm.kernels.linear import int4_weight, linear_w4a8
from tytvm.kernels.rowwise import quantize_rows
from tytvm.target import resolve

CASES = [
    # R, K, N, weight group, activation group
    (1, 256, 64, 128, 32),
    (1, 384, 130, 128, 128),
    (2, 96, 50, 96, 32),
    (5, 32, 7, 32, 32),
    (8, 384, 96, 128, 128),
    (16, 256, 130, 128, 64),
    (96, 192, 80, 64, 64),
    (13, 96, 16, 32, 32),
]


def check(target, case, with_bias):
    R, K, N, group, activation_group = case
    spec = resolve(target)
    rng = np.random.default_rng(R * N)
    q, scale, total = quantize_rows.reference(rng.normal(size=(R, K)).astype(np.float32), activation_group)
    weight = random_weight(rng, N, K, group)
    packed = int4_weight.pack(*weight)
    bias = rng.normal(size=N).astype(np.float32)
    expected = linear_w4a8.reference(q, scale, *weight, bias if with_bias else None)
    inputs = [q, scale, total, packed["weight"], packed["scale"], packed["zero"], *([bias] if with_bias else [])]
    kernel = Kernel(linear_w4a8.build(spec, R, K, N, group, activation_group, with_bias), spec)
    for workers in (1, 3):
        (out,) = outputs(kernel, inputs, expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case):
    check("native", case, with_bias=False)


@pytest.mark.parametrize("case", CASES[2:6])
def test_equals_reference_with_a_bias(case):
    check("native", case, with_bias=True)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("case", CASES[1:7])
def test_equals_reference_on_every_cpu(case, target):
    check(target, case, with_bias=True)


@pytest.mark.parametrize("target", RUNNABLE)
def test_extreme_values_do_not_saturate(target):
    spec = resolve(target)
    K, N = 256, 16
    q = np.full((1, K), -127, np.int8)
    scale, total = np.ones((1, 2), np.float32), np.full((1, 2), -127 * 128, np.int32)
    weight = np.full((N, K), 15, np.uint8), np.ones((N, 2), np.float16), np.zeros((N, 2), np.uint8)
    packed = int4_weight.pack(*weight)
    kernel = Kernel(linear_w4a8.build(spec, 1, K, N, 128, 128), spec)
    expected = np.full((1, N), -127 * 15 * K, np.float32)
    (out,) = outputs(kernel, (q, scale, total, packed["weight"], packed["scale"], packed["zero"]), expected)
    np.testing.assert_array_equal(out, expected)
