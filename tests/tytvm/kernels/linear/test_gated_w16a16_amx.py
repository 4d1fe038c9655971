"""SwiGLU's float16 layers and its gate on AMX tiles against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tests.tytvm.kernels.linear.test_activated_w16a16_amx import assert_close, tiles_of

from tytvm.kernels.linear import float16_weight, gated_w16a16_amx
from tytvm.target import native, resolve

pytestmark = pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")


@pytest.mark.parametrize(
    ("R", "K", "N", "with_bias"),
    [
        (32, 64, 128, False),
        (70, 80, 108, True),  # outputs that end within a tile, an even number of blocks
        (53, 64, 71, True),  # an odd one
        (37, 23, 112, False),  # an odd number of whole blocks
    ],
)
def test_equals_reference(R, K, N, with_bias):
    spec, rng = resolve("native"), np.random.default_rng(R * N)
    x = rng.normal(size=(R, K)).astype(np.float32)
    layers = [
        (rng.normal(0, 0.2, (N, K)).astype(np.float16), rng.normal(size=N).astype(np.float32) if with_bias else None)
        for _ in range(2)
    ]
    expected = gated_w16a16_amx.reference(x, *layers)
    arguments = [
        part for weight, bias in layers for part in (float16_weight.pack(weight)["weight"], bias) if part is not None
    ]
    kernel = Kernel(gated_w16a16_amx.build(spec, R, K, N, with_bias), spec)
    for workers in (1, 3):
        (out,) = outputs(kernel, [tiles_of(x), *arguments], tiles_of(expected), workers=workers)
        assert_close(out, expected)
