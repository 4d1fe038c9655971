"""How workers share out the rows that a kernel makes."""

import pytest

from tytvm.kernels.rowwise.encoding import FLOAT32, Int8
from tytvm.kernels.rowwise.rows import Pieces


@pytest.mark.parametrize("encoding", [FLOAT32, Int8(32), Int8(128)])
@pytest.mark.parametrize(("R", "K"), [(1, 896), (1, 4864), (3, 128), (512, 2048)])
def test_pieces_cover_all_values_once(encoding, R, K):
    pieces = Pieces(R, K, encoding)
    assert pieces.count * pieces.units * pieces.unit == R * K


def test_one_row_is_shared_and_many_stay_whole():
    assert Pieces(1, 4096, Int8(32)).across == 16
    assert Pieces(1, 896, Int8(32)).across == 7
    assert Pieces(64, 4096, Int8(32)).across == 1
    assert Pieces(1, 64, FLOAT32).across == 1  # too small to share


@pytest.mark.parametrize("K", [7, 16, 40, 100])
def test_any_width_has_whole_vectors(K):
    pieces = Pieces(2, K, FLOAT32)
    assert K % pieces.unit == 0 and pieces.unit % pieces.lanes == 0
