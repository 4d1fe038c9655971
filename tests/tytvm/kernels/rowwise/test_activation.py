"""Activations against NumPy, from deep saturation to the flat middle."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.operands.encoding import Bfloat16
from tytvm.kernels.rowwise import activation, bfloat16_tiles
from tytvm.target import resolve


@pytest.mark.parametrize("kind", activation.KINDS)
@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("R", "width"), [(2, 50), (5, 144)])
def test_equals_reference(kind, target, R, width):
    x = np.random.default_rng(width).normal(0, 4, (R, width)).astype(np.float32)
    x.flat[:6] = [-200, 200, 0, 1e-6, -1e-6, -30]
    expected = activation.reference(x, kind)
    kernel = Kernel(activation.build(resolve(target), R, width, kind), resolve(target))
    (out,) = outputs(kernel, (x,), expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=5e-6, atol=4e-7 if kind == "gelu" else 1e-27)


@pytest.mark.skipif(not resolve("native").has_tiles, reason="bfloat16 is for CPUs with AMX")
@pytest.mark.parametrize("kind", activation.KINDS)
def test_in_bfloat16_tiles(kind):
    x = np.random.default_rng(0).normal(0, 3, (20, 96)).astype(np.float32)
    expected = activation.reference(x, kind)
    kernel = Kernel(activation.build(resolve("native"), 20, 96, kind, Bfloat16()), resolve("native"))
    (tiles,) = outputs(kernel, (x,), bfloat16_tiles.reference(expected), workers=3)
    rows = (tiles.astype(np.uint32) << 16).view(np.float32).transpose(0, 2, 1, 3).reshape(32, 96)[:20]
    np.testing.assert_allclose(rows, expected, rtol=2**-8, atol=1e-6)
