"""The four-at-a-time product on the whole range of its operands, with the instruction and without."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import RUNNABLE, Kernel
from tvm.script import tirx as T

from tytvm.kernels.primitives.dp4a import dp4a
from tytvm.kernels.primitives.vector import span
from tytvm.target import resolve


@pytest.mark.parametrize("target", RUNNABLE)
def test_equals_definition(target):
    spec = resolve(target)
    count = 64

    @T.prim_func(private=True)
    def dots(
        a: T.Buffer((count,), "int32"), b: T.Buffer((count,), "int32"), total: T.Buffer((count,), "int32")
    ) -> None:
        for i in T.parallel(count // 16):
            total[span(i * 16)] = dp4a(spec, total[span(i * 16)], a[span(i * 16)], b[span(i * 16)])

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (count, 4)).astype(np.uint8), rng.integers(-128, 128, (count, 4)).astype(np.int8)
    a[0], b[0], a[1], b[1] = 255, -128, 255, 127
    total = rng.integers(-(2**20), 2**20, count).astype(np.int32)
    expected = total + (a.astype(np.int32) * b).sum(axis=1, dtype=np.int32)
    result = Kernel(dots, spec)(a.view(np.int32).ravel(), b.view(np.int32).ravel(), total)[2]
    np.testing.assert_array_equal(result, expected)
