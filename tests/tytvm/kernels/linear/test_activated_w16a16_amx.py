"""Linear layers with an activation on AMX tiles against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.linear import activated_w16a16_amx, float16_weight
from tytvm.kernels.rowwise import bfloat16_tiles
from tytvm.target import native, resolve

pytestmark = pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")


def tiles_of(x):
    """Left tiles; rows that do not exist are not a number, for they must not matter."""
    tiles = bfloat16_tiles.reference(x)
    if len(x) % 16:
        tiles[-1, :, len(x) % 16 :] = 0x7FC0
    return tiles


def assert_close(tiles, expected):
    """The rows that there are are `expected` to bfloat16's precision; what follows them in a tile is finite."""
    R, N = expected.shape
    rows = (tiles.astype(np.uint32) << 16).view(np.float32).transpose(0, 2, 1, 3).reshape(len(tiles) * 16, -1)[:R]
    np.testing.assert_allclose(rows[:, :N], expected, rtol=2**-7, atol=1e-4)
    assert np.isfinite(rows).all()


@pytest.mark.parametrize(
    ("R", "K", "N", "kind", "with_bias"),
    [
        (32, 64, 128, "gelu", False),
        (70, 80, 108, "quick_gelu", True),  # outputs that end within a tile's second block
        (53, 64, 71, "gelu_tanh", True),  # within its first
        (37, 23, 112, "silu", True),  # after it
    ],
)
def test_equals_reference(R, K, N, kind, with_bias):
    spec, rng = resolve("native"), np.random.default_rng(R * N)
    x, weight = rng.normal(size=(R, K)).astype(np.float32), rng.normal(0, 0.2, (N, K)).astype(np.float16)
    bias = rng.normal(size=N).astype(np.float32) if with_bias else None
    expected = activated_w16a16_amx.reference(x, weight, bias, kind)
    kernel = Kernel(activated_w16a16_amx.build(spec, R, K, N, kind, with_bias), spec)
    arguments = [tiles_of(x), float16_weight.pack(weight)["weight"], *([bias] if with_bias else [])]
    for workers in (1, 3):
        (out,) = outputs(kernel, arguments, tiles_of(expected), workers=workers)
        assert_close(out, expected)
