"""Appending to the cache: the new rows are written, the others stay, and nothing is written past the end."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel

from tytvm.kernels import cache_append
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("KH", "S", "D"), [(1, 1, 64), (4, 8, 80), (2, 3, 128)])
def test_equals_reference(target, KH, S, D):
    rng = np.random.default_rng(S)
    C = 40
    kernel = Kernel(cache_append.build(resolve(target), KH, S, D, C), resolve(target))
    new = rng.normal(0, 100, (KH, S, D)).astype(np.float32)
    new.flat[:4] = [7e4, -7e4, 1e-7, 65519.9]  # overflow, a subnormal, the last value that rounds down
    before = rng.normal(size=(KH, C, D)).astype(np.float16)
    for position in (0, 1, 17, C - S, C - 1):
        with np.errstate(over="ignore"):
            expected = cache_append.reference(new, position, before)
        after = kernel(new, np.array([position]), before, workers=3)[2]
        np.testing.assert_array_equal(after, expected)
