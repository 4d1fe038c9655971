"""Rotary positions against NumPy, full and partial."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.rowwise import rope
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("H", "S", "D", "rotary"), [(1, 1, 64, 64), (7, 5, 80, 80), (3, 8, 96, 24), (2, 96, 128, 128)])
def test_equals_reference(target, H, S, D, rotary):
    rng = np.random.default_rng(D)
    x = rng.normal(size=(H, S, D)).astype(np.float32)
    angle = rng.uniform(0, 7, (S, rotary))
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    expected = rope.reference(x, cos, sin)
    kernel = Kernel(rope.build(resolve(target), H, S, D, rotary), resolve(target))
    (out,) = outputs(kernel, (x, cos, sin), expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)


def test_by_token():
    rng = np.random.default_rng(0)
    x, angle = rng.normal(size=(3, 9, 64)).astype(np.float32), rng.uniform(0, 7, (9, 64))
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    expected = rope.reference(x, cos, sin)
    kernel = Kernel(rope.build(resolve("native"), 3, 9, 64, by_token=True), resolve("native"))
    (out,) = outputs(kernel, (np.ascontiguousarray(x.swapaxes(0, 1)), cos, sin), expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)
