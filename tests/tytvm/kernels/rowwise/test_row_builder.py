"""How workers share out the rows that a kernel makes."""

import pytest

from tytvm.kernels.operands.encoding import FLOAT32, Int8
from tytvm.kernels.rowwise.row_builder import RowChunks


@pytest.mark.parametrize("encoding", [FLOAT32, Int8(32), Int8(128)])
@pytest.mark.parametrize(("R", "K"), [(1, 896), (1, 4864), (3, 128), (512, 2048)])
def test_chunks_cover_all_values_once(encoding, R, K):
    chunks = RowChunks(R, K, encoding)
    assert chunks.count * chunks.units * chunks.unit == R * K


def test_one_row_is_shared_and_many_stay_whole():
    assert RowChunks(1, 4096, Int8(32)).across == 16
    assert RowChunks(1, 896, Int8(32)).across == 7
    assert RowChunks(64, 4096, Int8(32)).across == 1
    assert RowChunks(1, 64, FLOAT32).across == 1  # too small to share


@pytest.mark.parametrize("K", [7, 16, 40, 100])
def test_any_width_has_whole_vectors(K):
    chunks = RowChunks(2, K, FLOAT32)
    assert K % chunks.unit == 0 and chunks.unit % chunks.lanes == 0
