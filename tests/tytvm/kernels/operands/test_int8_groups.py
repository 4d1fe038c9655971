"""A group is written as codes, scale and sum, in rows or in tiles."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tvm.script import tirx as T

from tytvm.kernels.operands.int8_groups import code_shape, write_group
from tytvm.kernels.primitives.vector import span
from tytvm.kernels.rowwise import quantize_rows
from tytvm.target import resolve


def test_shape_of_the_codes():
    assert code_shape(20, 128, tiled=False) == (20, 128)
    assert code_shape(20, 128, tiled=True) == (2, 2, 16, 64)


@pytest.mark.parametrize("tiled", [False, True])
def test_one_group(tiled):
    R, K, group = 3, 128, 64

    @T.prim_func(private=True)
    def quantized(
        x: T.Buffer((R, K), "float32"),
        q: T.Buffer(code_shape(R, K, tiled), "int8"),
        scale: T.Buffer((R, K // group), "float32"),
    ) -> None:
        for row in T.parallel(R):
            for g in range(K // group):
                values = T.meta_var([x[row, span(g * group + start)] for start in range(0, group, 16)])
                write_group(q, scale, None, row, g, values, 16)

    x = np.random.default_rng(0).normal(size=(R, K)).astype(np.float32)
    codes, scales, _ = quantize_rows.reference(x, group)
    empty = np.zeros(code_shape(R, K, tiled), np.int8), np.zeros_like(scales)
    found, scale = outputs(Kernel(quantized, resolve("native")), [x], *empty)
    rows = found.transpose(0, 2, 1, 3).reshape(-1, K)[:R] if tiled else found
    assert np.abs(rows.astype(int) - codes).max() <= 1
    np.testing.assert_allclose(scale, scales, rtol=1e-6)
