"""Rows chosen by an input are read at run time, never outside."""

import pytest
import torch
from tests.tytvm.imported_graph import calls, imported
from tests.tytvm.small_graph import Calculation, Small, graph_of


@pytest.mark.parametrize("tokens", [1, 4])
def test_the_requested_row_is_chosen_at_run_time(tokens):
    inputs = {"tokens": torch.zeros(1, tokens, dtype=torch.int64), "row": torch.zeros(1, dtype=torch.int64)}
    found = calls(imported(graph_of(Small(), **inputs)))
    assert f"select_rows_{tokens}_32_1" in found and "relax.take" not in found


def test_other_rows_are_taken_within_bounds():
    graph = graph_of(Calculation(lambda x, row: (x[row],)), x=torch.zeros(4, 8), row=torch.zeros(1).long())
    (taken,) = [b.value for block in imported(graph)["main"].body.blocks for b in block.bindings if "take" in str(b)]
    assert taken.attrs.mode == "wrap" and taken.attrs.axis == 0
