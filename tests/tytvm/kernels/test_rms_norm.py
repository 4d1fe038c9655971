"""RMSNorm against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels import rms_norm
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("R", "H"), [(1, 64), (2, 256), (5, 100), (96, 896), (8, 7)])
def test_equals_reference(target, R, H):
    rng = np.random.default_rng(R * H)
    x, weight = rng.normal(0, 3, (R, H)).astype(np.float32), rng.normal(1, 0.2, H).astype(np.float32)
    expected = rms_norm.reference(x, weight, 1e-6)
    kernel = Kernel(rms_norm.build(resolve(target), R, H, 1e-6), resolve(target))
    for workers in (1, 3):
        (out,) = outputs(kernel, (x, weight), expected, workers=workers)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
