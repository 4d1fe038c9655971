"""Nodes that rewrites add know the shapes of their values, and whether they follow from weights alone."""

import pytest
import torch
from torch import nn

from tyllm.graph.node_builder import NodeBuilder
from tyllm.graph.trace import trace

aten = torch.ops.aten


@pytest.fixture
def builder():
    module, x = nn.Linear(4, 3), torch.randn(2, 4)
    traced = trace(torch.export.export(module, (x,), strict=False).module(), (x,), ())
    return NodeBuilder(traced)


def placeholders(builder):
    named = {node.name: node for node in builder.graph.find_nodes(op="placeholder")}
    weight = next(node for name, node in named.items() if builder.traced.weights.get(name, torch.empty(0)).ndim == 2)
    return weight, next(node for name, node in named.items() if name in builder.traced.arguments)


def test_a_new_node_has_its_shape(builder):
    weight, _ = placeholders(builder)
    with builder.graph.inserting_after(weight):
        made = builder.call(aten.permute.default, weight, [1, 0])
    assert made.target is aten.permute.default
    assert tuple(made.meta["val"].shape) == (4, 3)
    assert made in builder.graph.nodes


def test_what_follows_from_weights_is_constant(builder):
    weight, x = placeholders(builder)
    with builder.graph.inserting_before(next(iter(builder.graph.find_nodes(op="output")))):
        turned = builder.call(aten.permute.default, weight, [1, 0])
        product = builder.call(aten.matmul.default, x, turned)
    assert builder.is_constant(weight) and builder.is_constant(turned)
    assert not builder.is_constant(x) and not builder.is_constant(product)
