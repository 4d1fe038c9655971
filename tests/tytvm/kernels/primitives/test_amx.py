"""Tile registers against NumPy, on machines that have them."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel
from tvm.script import tirx as T

from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import span
from tytvm.target import native, resolve

pytestmark = pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")


def bfloat16(values):
    """The upper halves of float32 values, rounded to the nearest, ties to even."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def floats(halves):
    """Upper halves as float32 again."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


@T.prim_func(private=True)
def product(
    left: T.Buffer((16, 32), "uint16"), right: T.Buffer((16, 32), "uint16"), out: T.Buffer((16, 16), "float32")
):
    for _ in T.parallel(1):
        copy = T.meta_var(scratch((16, 32), "uint16"))
        amx.start()
        for row in range(16):
            copy[row, span(0, 32)] = right[row, span(0, 32)]
        amx.clear(0)
        amx.load(1, left, [0, 0], 64)
        amx.load(2, copy, [0, 0], 64)
        for _ in range(2):
            amx.dot(0, 1, 2)
        amx.store(0, out, [0, 0], 64)
        amx.end()


@T.prim_func(private=True)
def rounded(x: T.Buffer((32,), "float32"), out: T.Buffer((32,), "uint16")):
    for _ in T.parallel(1):
        out[span(0, 32)] = amx.bfloat16(x[span(0)], x[span(16)])


def test_a_product_of_tiles():
    rng = np.random.default_rng(0)
    left, right = (bfloat16(rng.normal(size=(16, 32))) for _ in range(2))
    *_, out = Kernel(product, resolve("native"))(left, right, np.zeros((16, 16), np.float32))
    channels = floats(right).reshape(16, 16, 2).transpose(0, 2, 1).reshape(32, 16)
    np.testing.assert_allclose(out, 2 * floats(left) @ channels, rtol=1e-5, atol=1e-5)


def test_rounding_to_nearest_even():
    x = np.random.default_rng(1).normal(size=32).astype(np.float32)
    x[:2] = floats(np.array([0x3F80, 0x3F81], np.uint16)) + np.float32(2**-8)  # half a step above each
    _, out = Kernel(rounded, resolve("native"))(x, np.zeros(32, np.uint16))
    np.testing.assert_array_equal(out, bfloat16(x))
