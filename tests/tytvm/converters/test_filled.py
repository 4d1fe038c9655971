"""Masks and constants of a shape are lowered."""

import torch
from tests.tytvm.imported_graph import imported
from tests.tytvm.small_graph import Calculation, graph_of

from tytvm.linearize import linearize
from tytvm.lower import lower

X = torch.zeros(2, 8)


def lowered(function, **inputs):
    """The kernels that are left after lowering, in order."""
    return [call.kernel for call in linearize(lower(imported(graph_of(Calculation(function), **inputs))), ("y",)).calls]


def test_a_mask_is_filled():
    assert lowered(lambda x, mask: x.masked_fill(mask, float("-inf")), x=X, mask=X.bool()) == ["where"]


def test_zeros_and_ones_of_a_shape_are_constants():
    found = lowered(lambda x: x * 2 + torch.zeros_like(x) - torch.ones_like(x), x=X)
    assert len(found) == 1  # one loop over x


def test_a_kernel_is_fused_with_nothing():
    index = torch.zeros(2, 1, dtype=torch.int64)
    found = lowered(lambda x, index: torch.softmax(x, -1).gather(-1, index) * 2, x=X, index=index)
    assert found[-2:] == ["gather_columns_2_8_1", "multiply"]
