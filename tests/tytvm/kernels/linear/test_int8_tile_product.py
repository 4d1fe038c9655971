"""Slices cover all groups of inputs, chunks all channels, and a chunk's sums fit scratch memory."""

import pytest

from tytvm.kernels.linear.gated_w4a8_amx import shape_of as gated_shape
from tytvm.kernels.linear.int8_tile_product import Int8TileProduct
from tytvm.kernels.linear.linear_w4a8_amx import shape_of
from tytvm.kernels.primitives.scratch import BYTES


@pytest.mark.parametrize(("K", "group"), [(128, 64), (896, 128), (1152, 128), (4864, 64), (18944, 128)])
@pytest.mark.parametrize("R", [16, 37, 512])
@pytest.mark.parametrize("N", [16, 896, 4864])
def test_everything_is_covered_once(R, K, N, group):
    shape = shape_of(R, K, N, group, group)
    groups = K // group
    assert (shape.slices - 1) * shape.slice < groups <= shape.slices * shape.slice
    assert (shape.chunks - 1) * shape.chunk < shape.pairs <= shape.chunks * shape.chunk
    assert shape.pairs * 32 >= N > (shape.pairs - 1) * 32 and shape.row_tiles * 16 >= R
    assert scratch_bytes(shape, shape.chunk) <= BYTES


def test_the_room_is_what_scratch_memory_holds():
    shape = shape_of(512, 896, 4864, 128, 128)
    assert scratch_bytes(shape, shape.room) <= BYTES < scratch_bytes(shape, shape.room + 1)


def test_the_channels_are_shared_by_two_workers():
    assert shape_of(64, 896, 4864, 128, 128).chunks % 2 == 0


def test_a_gated_chunk_is_a_group_of_outputs():
    assert gated_shape(64, 896, 4864, 128, 128, 64).chunk * 16 == 64


def scratch_bytes(shape: Int8TileProduct, pairs: int) -> int:
    """Right tiles of a slice, two tiles of products, and the sums of so many pairs."""
    return shape.slice * shape.group * 32 + 2 * 1024 + pairs * shape.row_tiles * 2 * 1024
