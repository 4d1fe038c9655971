"""SwiGLU against NumPy, from deep saturation to the flat middle."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels import swiglu
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
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-30)
