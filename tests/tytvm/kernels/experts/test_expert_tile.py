"""The tile of an expert's layer: how many rows it takes at once."""

import pytest

from tytvm.kernels.experts.expert_tile import expert_tile
from tytvm.kernels.operands.expert_groups import ExpertGroups


@pytest.mark.parametrize(
    ("tokens", "rows"),
    [(1, 1), (8, 1), (32, 2), (128, 8)],  # of 8 of 128 experts: as many as an expert has on average
)
def test_rows_are_those_of_an_average_expert(tokens, rows):
    tile = expert_tile(16, ExpertGroups(tokens, 8, 128), 1536, gathers=True)
    assert tile.plain.rows == rows
    assert tile.tasks == min(128, 8 * tokens) * tile.plain.across
