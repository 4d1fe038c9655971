"""The gate of experts against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.experts import gated_rows
from tytvm.kernels.operands.encoding import Int8
from tytvm.kernels.rowwise import quantize_rows
from tytvm.target import resolve


@pytest.mark.parametrize("kind", ["silu", "gelu_tanh"])
def test_equals_reference(kind):
    x = np.random.default_rng(0).normal(size=(5, 96)).astype(np.float32)
    expected = gated_rows.reference(x, kind)
    kernel = Kernel(gated_rows.build(resolve("native"), 5, 48, kind), resolve("native"))
    (out,) = outputs(kernel, [x], expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_within_limits_and_with_an_offset():
    x = np.random.default_rng(0).normal(size=(5, 96), scale=9).astype(np.float32)
    expected = gated_rows.reference(x, "quick_gelu", 7.0, 1.0)
    kernel = Kernel(gated_rows.build(resolve("native"), 5, 48, "quick_gelu", limit=7.0, offset=1.0), resolve("native"))
    (out,) = outputs(kernel, [x], expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_in_int8():
    x = np.random.default_rng(0).normal(size=(3, 128)).astype(np.float32)
    expected = quantize_rows.reference(gated_rows.reference(x, "silu"), 32)
    kernel = Kernel(gated_rows.build(resolve("native"), 3, 64, "silu", Int8(32)), resolve("native"))
    q, scale, _ = outputs(kernel, [x], *expected)
    np.testing.assert_allclose(scale, expected[1], rtol=1e-5)
    assert np.abs(q.astype(int) - expected[0]).max() <= 1
