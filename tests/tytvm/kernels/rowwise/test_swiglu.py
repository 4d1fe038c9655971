"""SwiGLU against NumPy, from deep saturation to the flat middle."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.operands.encoding import Int8
from tytvm.kernels.rowwise import quantize_rows, swiglu
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("R", "width"), [(1, 768), (2, 50), (5, 144), (96, 1184)])
def test_equals_reference(target, R, width):
    rng = np.random.default_rng(width)
    gate, up = rng.normal(0, 20, (R, width)).astype(np.float32), rng.normal(size=(R, width)).astype(np.float32)
    gate.flat[:4] = [-200, 200, 0, 1e-6]
    expected = swiglu.reference(gate, up)
    kernel = Kernel(swiglu.build(resolve(target), R, width), resolve(target))
    (out,) = outputs(kernel, (gate, up), expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=4e-6, atol=1e-27)


@pytest.mark.parametrize(("R", "width"), [(1, 4864), (7, 96)])
def test_in_int8(R, width):
    rng = np.random.default_rng(width)
    gate, up = rng.normal(0, 3, (2, R, width)).astype(np.float32)
    expected = quantize_rows.reference(swiglu.reference(gate, up), 32)
    kernel = Kernel(swiglu.build(resolve("native"), R, width, Int8(32)), resolve("native"))
    q, scale, sums = outputs(kernel, (gate, up), *expected, workers=3)
    np.testing.assert_allclose(scale, expected[1], rtol=1e-5)
    assert np.abs(q.astype(int) - expected[0]).max() <= 1 and np.mean(q != expected[0]) < 1e-3
    np.testing.assert_array_equal(sums, q.reshape(R, -1, 32).sum(axis=-1, dtype=np.int32))


def test_in_tiles():
    rng = np.random.default_rng(0)
    gate, up = rng.normal(0, 3, (2, 20, 256)).astype(np.float32)
    q, scale, _ = quantize_rows.reference(swiglu.reference(gate, up), 128)
    expected = quantize_rows.tiles(q)
    kernel = Kernel(swiglu.build(resolve("native"), 20, 256, Int8(128, tiled=True)), resolve("native"))
    tiles, out_scale = outputs(kernel, (gate, up), expected, scale, workers=3)
    np.testing.assert_allclose(out_scale, scale, rtol=1e-5)
    whole = tiles.transpose(0, 2, 1, 3).reshape(32, 256)[:20]  # rows that do not exist are nobody's business
    assert np.abs(whole.astype(int) - q).max() <= 1 and np.mean(whole != q) < 1e-3
