"""Slices written one by one are joined where they fill the tensor, whatever their order; else nothing changes."""

import pytest
import torch

SCATTER = torch.ops.aten.slice_scatter.default


def count(graph_module):
    return graph_module.meta["rewrites"]["scattered_slices"]


def written(*slices):
    """A function that writes x to those slices of four columns, of zeros."""

    def write(x):
        whole = torch.zeros(2, 4)
        for start, stop in slices:
            whole = torch.slice_scatter(whole, x[:, start:stop] + start, 1, start, stop)
        return whole

    return write


@pytest.mark.parametrize("slices", [[(0, 3), (3, 4)], [(2, 4), (0, 2)], [(0, 2), (2, 4), (0, 2)]], ids=str)
def test_a_tensor_that_is_written_in_full(rewritten, slices):
    graph_module = rewritten(written(*slices), torch.randn(2, 4))
    assert count(graph_module) >= 1
    assert SCATTER not in [node.target for node in graph_module.graph.nodes]


@pytest.mark.parametrize("slices", [[(0, 3)], [(0, 2), (1, 4)], [(1, 2), (2, 4)]], ids=str)
def test_a_tensor_of_which_something_else_is_left(rewritten, slices):
    graph_module = rewritten(written(*slices), torch.randn(2, 4))
    assert count(graph_module) == 0


def test_steps_and_other_axes_stay(rewritten):
    def write(x):
        whole = torch.slice_scatter(torch.zeros(2, 4), x[:, :2], 1, 0, 4, 2)
        whole = torch.slice_scatter(whole, x[:1], 0, 0, 1)
        return torch.slice_scatter(whole, x[:, 2:], 1, 2, 4)

    assert count(rewritten(write, torch.randn(2, 4))) == 0
