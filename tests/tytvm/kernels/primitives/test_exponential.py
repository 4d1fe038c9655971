"""Powers of two and reciprocals over their ranges."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tvm.script import tirx as T

from tytvm.kernels.primitives.exponential import exp2, reciprocal
from tytvm.kernels.primitives.vector import span
from tytvm.target import resolve


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize("lanes", [1, 16])
def test_reciprocals(target, lanes):
    count, spec = 4096, resolve(target)

    @T.prim_func(private=True)
    def reciprocals(x: T.Buffer((count,), "float32"), out: T.Buffer((count,), "float32")) -> None:
        for i in T.parallel(count // lanes):
            out[span(i * lanes, lanes)] = reciprocal(spec, x[span(i * lanes, lanes)], lanes)

    x = np.geomspace(1, 1e30, count, dtype=np.float32)
    expected = (1 / x.astype(np.float64)).astype(np.float32)
    (out,) = outputs(Kernel(reciprocals, spec), (x,), expected)
    np.testing.assert_allclose(out, expected, rtol=3e-7)


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize(("lanes", "coarse", "error"), [(1, False, 3e-7), (16, False, 3e-7), (16, True, 1e-4)])
def test_powers_of_two(target, lanes, coarse, error):
    count = 4096

    @T.prim_func(private=True)
    def powers(x: T.Buffer((count,), "float32"), out: T.Buffer((count,), "float32")) -> None:
        for i in T.parallel(count // lanes):
            out[span(i * lanes, lanes)] = exp2(x[span(i * lanes, lanes)], lanes, coarse)

    x = np.append(np.linspace(-125, 126.9, count - 2, dtype=np.float32), np.float32([-3e38, -np.inf]))
    expected = np.exp2(np.maximum(x, -125).astype(np.float64)).astype(np.float32)
    (out,) = outputs(Kernel(powers, resolve(target)), (x,), expected)
    np.testing.assert_allclose(out, expected, rtol=error)
