"""Linear layers with float16 weights on AMX tiles, and their inputs, against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.linear import float16_weight, linear_w16a16_amx
from tytvm.kernels.rowwise import bfloat16_tiles
from tytvm.target import native, resolve

pytestmark = pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")


@pytest.mark.parametrize(
    ("R", "K", "N", "with_bias"),
    [
        (32, 128, 64, False),
        (64, 1024, 96, True),  # three slices of the inputs
        (50, 832, 176, True),  # an edge of rows
        (37, 1312, 55, True),  # an odd number of blocks, the last of seven channels
        (16, 96, 7, False),
        (128, 512, 288, True),  # several pieces
        (70, 90, 48, True),  # inputs that end within a tile, at an even place and an odd one
        (48, 23, 40, False),
        (200, 3420, 100, True),  # few pairs to a piece
    ],
)
def test_equals_reference(R, K, N, with_bias):
    rng = np.random.default_rng(R * N)
    spec = resolve("native")
    x, weight = rng.normal(size=(R, K)).astype(np.float32), rng.normal(size=(N, K)).astype(np.float16)
    bias = [rng.normal(size=N).astype(np.float32)] * with_bias
    expected = linear_w16a16_amx.reference(x, weight, *bias)
    tiles = bfloat16_tiles.reference(x)
    if R % 16:
        tiles[-1, :, R % 16 :] = 0x7FC0  # not a number: rows that do not exist must not matter
    kernel = Kernel(linear_w16a16_amx.build(spec, R, K, N, with_bias), spec)
    for workers in (1, 3):
        (out,) = outputs(kernel, [tiles, *float16_weight.pack(weight).values(), *bias], expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
