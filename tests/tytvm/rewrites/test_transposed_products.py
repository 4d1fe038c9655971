"""A product with a transposed weight becomes a linear layer, any other product stays."""

import pytest
import torch


class Product(torch.nn.Module):
    """A product with what `turn` makes of a square weight."""

    def __init__(self, turn):
        super().__init__()
        self.turn, self.weight = turn, torch.nn.Parameter(torch.randn(5, 5))

    def forward(self, x):
        return x @ self.turn(self.weight) + 1


def count(graph_module):
    return graph_module.meta["rewrites"]["transposed_products"]


@pytest.mark.parametrize(
    "turn",
    [lambda w: w.T, lambda w: w.t(), lambda w: w.transpose(0, -1), lambda w: w.permute(1, 0)],
    ids=["T", "t", "transpose", "permute"],
)
def test_becomes_a_linear_layer(rewritten, turn):
    graph_module = rewritten(Product(turn), torch.randn(2, 3, 5))
    assert count(graph_module) == 1
    assert len(graph_module.graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default)) == 1


@pytest.mark.parametrize("turn", [lambda w: w, lambda w: (w * 2).T, lambda w: w.permute(0, 1)])
def test_other_products_stay(rewritten, turn):
    assert count(rewritten(Product(turn), torch.randn(2, 3, 5))) == 0
