"""A fusion puts one node in place of the pattern: typed, in order, and with nothing of the pattern left."""

import pytest
import torch

from tytvm.rewrites.fusion import Fusion
from tytvm.rewrites.pattern import Wildcard

x, y = Wildcard("x"), Wildcard("y")
SQUARED_SUM = Fusion(((x + y) ** 2,), torch.ops.tytvm.swiglu.default, (x, y), lambda x, y: True)


class TwoSums(torch.nn.Module):
    """Two patterns, the second on the first."""

    def forward(self, a, b):
        first = (a + b) ** 2
        return (first + b) ** 2


@pytest.fixture
def graph():
    example = torch.randn(2, 3, device="meta")
    return torch.export.export(TwoSums(), (example, example)).graph_module.graph


def test_each_pattern_becomes_one_typed_node(graph):
    assert SQUARED_SUM.fuse(graph) == 2
    graph.lint()
    assert [str(node.target) for node in graph.nodes] == ["a", "b", "tytvm.swiglu.default", "tytvm.swiglu.default",
                                                         "output"]  # fmt: skip
    for node in list(graph.nodes)[:-1]:
        value = node.meta["val"]
        assert (value.shape, value.dtype, value.device.type) == ((2, 3), torch.float32, "meta")


def test_what_does_not_fit_stays(graph):
    choosy = Fusion(SQUARED_SUM.patterns, SQUARED_SUM.target, (x, y), lambda x, y: x.op == y.op == "placeholder")
    assert choosy.fuse(graph) == 1


def test_a_second_order_is_tried_where_the_first_does_not_fit(graph):
    choosy = Fusion(SQUARED_SUM.patterns, SQUARED_SUM.target, (x, y), lambda x, y: x.name == "b")
    assert choosy.fuse(graph) == 2
    assert [node.args[0].name for node in graph.nodes if node.op == "call_function"] == ["b", "b"]
