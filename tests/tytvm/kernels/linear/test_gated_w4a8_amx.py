"""SwiGLU's two linear layers and its gate on AMX tiles against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tests.tytvm.kernels.linear.test_int4_weight import random_weight

from tytvm.kernels.linear import gated_w4a8_amx, int4_weight
from tytvm.kernels.rowwise import quantize_rows
from tytvm.target import native, resolve

pytestmark = pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")


@pytest.mark.parametrize(
    ("R", "K", "N", "group", "activation_group", "out_group"),
    [
        (32, 128, 256, 128, 128, 128),
        (37, 2176, 192, 128, 128, 64),  # three slices of the inputs, an edge of rows
        (256, 256, 128, 256, 64, 128),
    ],
)
def test_equals_reference(R, K, N, group, activation_group, out_group):
    spec = resolve("native")
    rng = np.random.default_rng(R)
    q, scale, _ = quantize_rows.reference(rng.normal(size=(R, K)).astype(np.float32), activation_group)
    gate, up = (random_weight(rng, N, K, group) for _ in range(2))
    expected = gated_w4a8_amx.reference(q, scale, gate, up)
    codes, scales, _ = quantize_rows.reference(expected, out_group)
    packed = [part for weight in (gate, up) for part in int4_weight.pack(*weight).values()]
    kernel = Kernel(gated_w4a8_amx.build(spec, R, K, N, group, activation_group, out_group), spec)
    tiles = quantize_rows.tiles(codes)
    for workers in (1, 3):
        out, out_scales = outputs(kernel, [quantize_rows.tiles(q), scale, *packed], tiles, scales, workers=workers)
        np.testing.assert_allclose(out_scales, scales, rtol=1e-4)
        rows = out.transpose(0, 2, 1, 3).reshape(-1, N)[:R]
        assert np.abs(rows.astype(int) - codes).max() <= 1  # a value on the edge may fall either way
        assert np.mean(rows != codes) < 1e-2
