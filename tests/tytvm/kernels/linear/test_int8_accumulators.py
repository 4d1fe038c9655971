"""Sums of codes and int8 activations at their extremes, on every CPU that this machine stands for."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import RUNNABLE, Kernel
from tvm.script import tirx as T

from tytvm.kernels.linear.int8_accumulators import Int8Accumulators
from tytvm.kernels.linear.register_tile import RegisterTile
from tytvm.kernels.primitives.vector import span
from tytvm.target import resolve


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("inputs", [16, 32, 128])
def test_sums_are_exact(target, inputs):
    spec, tile = resolve(target), RegisterTile(1, 16, 1, 1)
    fours = inputs // 4

    @T.prim_func(private=True)
    def sums(
        codes: T.Buffer((fours, 16), "int32"), x: T.Buffer((fours, 16), "int32"), out: T.Buffer((16,), "int32")
    ) -> None:
        for i in T.parallel(1):
            dots = T.meta_var(Int8Accumulators(spec, tile, inputs))
            dots.clear()
            for piece in range(inputs // dots.inputs):
                for k in range(dots.inputs // 4):
                    at: T.let = piece * (dots.inputs // 4) + k
                    dots.accumulate((0, 0), codes[at, span(0)], x[at, span(0)])
                dots.widen()
            out[span(i * 16)] = dots[0, 0]

    rng = np.random.default_rng(inputs)
    codes = rng.integers(0, 16, (fours, 16, 4)).astype(np.uint8)
    x = rng.integers(-127, 128, (fours, 16, 4)).astype(np.int8)
    codes[:, :2], x[:, 0], x[:, 1] = 15, -127, 127
    expected = (codes.astype(np.int32) * x).sum(axis=(0, 2), dtype=np.int32)
    result = Kernel(sums, spec)(codes.view(np.int32)[..., 0], x.view(np.int32)[..., 0], np.zeros(16, np.int32))[2]
    np.testing.assert_array_equal(result, expected)
