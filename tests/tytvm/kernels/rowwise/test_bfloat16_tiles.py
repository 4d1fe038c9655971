"""float32 rows as bfloat16 in AMX's left tiles, against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.rowwise import bfloat16_tiles
from tytvm.target import native, resolve


@pytest.mark.skipif(not native().has_tiles, reason="this machine has no AMX")
@pytest.mark.parametrize(("R", "K"), [(16, 64), (37, 96), (20, 60), (17, 23), (16, 48)])
def test_tiles_of_the_inputs(R, K):
    x = np.random.default_rng(R).normal(size=(R, K)).astype(np.float32)
    expected = bfloat16_tiles.reference(x)
    kernel = Kernel(bfloat16_tiles.build(resolve("native"), R, K), resolve("native"))
    (tiles,) = outputs(kernel, [x], expected, workers=2)
    rows = [each.transpose(0, 2, 1, 3).reshape(len(expected) * 16, -1)[:R] for each in (tiles, expected)]
    np.testing.assert_array_equal(*rows)


def test_where_a_value_lies():
    tiles = bfloat16_tiles.reference(np.arange(17 * 40, dtype=np.float32).reshape(17, 40))
    assert tiles.shape == (2, 2, 16, 32)
    value = np.uint32(tiles[1, 1, 0, 5]) << 16  # row 16, input 37
    assert value.view(np.float32) == pytest.approx(16 * 40 + 37, rel=2**-8)
    assert not tiles[:, 1, :, 8:].any() and not tiles[1, :, 1:].any()
