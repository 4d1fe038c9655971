"""Columns by their numbers have kernels along the last axis; other axes are TVM's own."""

import torch
from tests.tytvm.imported_graph import of_function

X, INDEX = torch.zeros(2, 3, 8), torch.zeros(2, 3, 2, dtype=torch.int64)


def test_columns_are_gathered():
    assert "gather_columns_6_8_2" in of_function(lambda x, index: x.gather(-1, index), x=X, index=INDEX)


def test_columns_are_filled():
    found = of_function(lambda x, index: x.scatter(2, index, float("-inf")), x=X, index=INDEX)
    assert "fill_columns_6_8_2" in found


def test_rows_are_tvms_own():
    found = of_function(lambda x, index: x.gather(1, index), x=X, index=torch.zeros(2, 1, 8, dtype=torch.int64))
    assert "relax.gather_elements" in found
