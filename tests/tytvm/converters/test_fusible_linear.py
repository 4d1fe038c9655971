"""Which layers the operator after them may do: those that nothing else reads."""

from types import SimpleNamespace

import torch
from tests.tytvm.small_graph import graph_of

from tytvm.converters.fusible_linear import fusible_linear

TANHS = ("tanh", "tanh_1", "tanh_2")


class Layers(torch.nn.Module):
    """One layer that is read once, behind a reshape, and one that is read twice."""

    def __init__(self):
        super().__init__()
        self.once, self.twice = torch.nn.Linear(8, 6), torch.nn.Linear(8, 6)

    def forward(self, x, w):
        twice = self.twice(x)
        computed = torch.nn.functional.linear(x, w)
        return torch.tanh(self.once(x).unsqueeze(0)), torch.tanh(twice) + twice, torch.tanh(computed)


def test_a_layer_that_is_read_once():
    graph = graph_of(Layers(), x=torch.zeros(4, 8), w=torch.zeros(6, 8))
    nodes = {node.name: node for node in graph.capture.graph_module.graph.nodes}
    stored = {node: name for node in nodes.values() if (name := graph.capture.parameters.get(node.name))}
    found = [fusible_linear(SimpleNamespace(weight_names=stored), nodes[name].args[0]) for name in TANHS]
    once, twice, computed = found
    assert once is not None and stored[once.args[1]] == "once.weight"
    assert twice is None and computed is None
