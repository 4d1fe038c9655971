"""Linear layers with INT4 weights and int8 activations on AMX tiles against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tests.tytvm.kernels.linear.test_int4_weight import random_weight

from tytvm.kernels.linear import int4_weight, linear_w4a8_amx
from tytvm.kernels.rowwise import quantize_rows
from tytvm.target import native, resolve

pytestmark = pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")


def check(R, K, N, group, activation_group, with_bias, activations):
    spec = resolve("native")
    rng = np.random.default_rng(R * N)
    q, scale, _ = quantize_rows.reference(activations(rng, R, K), activation_group)
    weight = random_weight(rng, N, K, group)
    packed = int4_weight.pack(*weight)
    bias = [rng.normal(size=N).astype(np.float32)] * with_bias
    expected = linear_w4a8_amx.reference(q, scale, *weight, *bias)
    kernel = Kernel(linear_w4a8_amx.build(spec, R, K, N, group, activation_group, with_bias), spec)
    inputs = [quantize_rows.tiles(q), scale, packed["weight"], packed["scale"], packed["zero"], *bias]
    for workers in (1, 3):
        (out,) = outputs(kernel, inputs, expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def normal(rng, R, K):
    return rng.normal(size=(R, K)).astype(np.float32)


@pytest.mark.parametrize(
    ("R", "K", "N", "group", "activation_group", "with_bias"),
    [
        (32, 128, 64, 128, 128, False),
        (64, 1024, 96, 128, 128, True),  # one slice of the inputs
        (50, 2176, 176, 128, 128, True),  # three, the last of five groups; an edge of rows
        (37, 1344, 55, 64, 64, True),  # an odd number of blocks, the last of seven channels
        (16, 192, 7, 64, 64, False),
        (16, 64, 48, 64, 64, False),
        (17, 512, 32, 256, 64, False),  # a weight's group of several of the activations
        (19, 3840, 1040, 1920, 1920, False),  # a group larger than a slice
    ],
)
def test_equals_reference(R, K, N, group, activation_group, with_bias):
    check(R, K, N, group, activation_group, with_bias, normal)


def test_a_prompt_of_many_pieces():
    check(256, 2048, 544, 128, 128, False, normal)


def test_extreme_values_do_not_saturate():
    check(16, 256, 16, 128, 128, False, lambda rng, R, K: np.full((R, K), -3.0, np.float32))
