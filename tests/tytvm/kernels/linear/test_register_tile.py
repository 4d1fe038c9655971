"""Tiles cover an output exactly, fit the registers, and leave enough to share."""

import pytest

from tytvm.kernels.linear.register_tile import tile_of
from tytvm.target import INSTRUCTION_SETS, resolve


@pytest.mark.parametrize("spec", INSTRUCTION_SETS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("R", [1, 2, 5, 8, 13, 16, 96])
@pytest.mark.parametrize("N", [1, 16, 50, 4608])
def test_covers_and_fits(spec, R, N):
    tile = tile_of(spec.accumulators, R, N)
    assert (tile.down - 1) * tile.rows < R <= tile.down * tile.rows
    assert (tile.across - 1) * tile.blocks < tile.channel_blocks <= tile.across * tile.blocks
    assert tile.rows * tile.blocks <= max(spec.accumulators, 1)
    assert tile.channel_blocks * 16 >= N > (tile.channel_blocks - 1) * 16


def test_one_row_of_a_small_layer_leaves_enough_to_share():
    assert tile_of(resolve("x86-64-avx512-vnni").accumulators, 1, 3584).across >= 64
