"""Chunks cover all channels and fit scratch memory; weights become right tiles of bfloat16."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tvm.script import tirx as T

from tytvm.kernels.linear.bfloat16_tile_product import Bfloat16TileProduct, decode, sizes
from tytvm.kernels.linear.linear_w16a16_amx import rounded
from tytvm.kernels.primitives.scratch import BYTES
from tytvm.target import native


@pytest.mark.parametrize("R", [16, 37, 512, 4096])
@pytest.mark.parametrize("K", [23, 128, 1280, 3420])
@pytest.mark.parametrize("pairs", [1, 7, 40, 107])
def test_everything_is_covered_once(R, K, pairs):
    shape = Bfloat16TileProduct(R, K, pairs)
    assert (shape.chunks - 1) * shape.chunk < pairs <= shape.chunks * shape.chunk
    assert shape.row_tiles * 16 >= R > (shape.row_tiles - 1) * 16 and shape.steps * 32 >= K > (shape.steps - 1) * 32
    assert shape.chunk * shape.steps * 2 * 1024 + 4 * 1024 <= BYTES


@pytest.mark.parametrize(("count", "expected"), [(0, ()), (5, (5,)), (16, (16,)), (17, (16, 1)), (31, (16, 15))])
def test_one_or_two_tiles_cover_an_edge(count, expected):
    assert sizes(count) == expected


@pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")
def test_right_tiles_of_a_block():
    K, steps = 40, 2

    @T.prim_func(private=True)
    def decoded(weight: T.Buffer((2, K, 16), "float16"), right: T.Buffer((1, steps, 2, 512), "uint16")) -> None:
        for i in T.parallel(1):
            decode(right, i, 0, weight, 1)
            decode(right, i, 1, weight, 2)

    weight = np.random.default_rng(0).normal(size=(2, K, 16)).astype(np.float16)
    (right,) = outputs(Kernel(decoded, native()), [weight], np.zeros((1, steps, 2, 512), np.uint16))
    floats = (right.astype(np.uint32) << 16).view(np.float32).reshape(steps, 2, 16, 16, 2)
    inputs = floats[:, 0].transpose(0, 1, 3, 2).reshape(steps * 32, 16)
    np.testing.assert_array_equal(inputs[:K], rounded(weight[1].astype(np.float32)))
    assert not inputs[K:].any() and not floats[:, 1].any()  # inputs and blocks that do not exist
