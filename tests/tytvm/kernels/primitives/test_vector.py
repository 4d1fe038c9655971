"""Chunks and lanes divide what they cut."""

import pytest

from tytvm.kernels.primitives.vector import ceildiv, chunk_size, lanes_of


@pytest.mark.parametrize(("extent", "lanes"), [(64, 16), (72, 8), (100, 4), (7, 1), (16, 16)])
def test_lanes(extent, lanes):
    assert lanes_of(extent) == lanes


@pytest.mark.parametrize(("extent", "at_most", "piece"), [(18944, 256, 256), (3584, 512, 512), (7, 3, 1), (96, 7, 6)])
def test_piece(extent, at_most, piece):
    assert chunk_size(extent, at_most) == piece


def test_ceildiv():
    assert [ceildiv(extent, 16) for extent in (1, 16, 17)] == [1, 1, 2]
