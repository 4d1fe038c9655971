"""Subgraphs know their weights, constants and inputs; over dies each weight is stored once, as its reader wants it."""

import numpy as np
import pytest
import torch
from torch import nn

from tyllm.graph.linear_layers import rewrite_as_linear_layers
from tyllm.graph.subgraphs import TensorWeights, find_subgraphs, format_of, shard_subgraphs
from tyllm.graph.supported_subgraphs import extract_supported
from tyllm.graph.trace import trace
from tytvm.weights import W16, Plain


class Mlp(nn.Module):
    """An MLP over rows in another order, and a second result."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.register_buffer("order", torch.randperm(5))

    def forward(self, x):
        return self.down(torch.relu(self.up(x[self.order]))), x + 1


class Shared(nn.Module):
    """Two MLPs with the same weights, and an operator between them."""

    def __init__(self):
        super().__init__()
        self.mlp = Mlp()

    def forward(self, x):
        return self.mlp(torch.cos(self.mlp(x)[0]))[0]


def subgraphs_of(module, unsupported=()):
    x = torch.randn(5, 32)
    traced = trace(torch.export.export(module.eval(), (x,), strict=False).module(), (x,), ())
    rewrite_as_linear_layers(traced)
    return find_subgraphs(extract_supported(traced.graph_module, unsupported), traced.weights), traced.weights


def test_weights_constants_and_inputs():
    (subgraph,), weights = subgraphs_of(Mlp())
    assert sorted(tuple(weights[name].shape) for name in subgraph.parameters) == [(32,), (32, 64), (64,), (64, 32)]
    assert [value.tolist() for value in subgraph.constants.values()] == [
        value.tolist() for value in weights.values() if value.dtype == torch.int64
    ]
    assert len(subgraph.inputs) == 1
    assert subgraph.outputs == ("result0", "result1")
    assert subgraph.shapes == ((5, 32), (5, 32))


def test_each_die_holds_its_part():
    subgraphs, weights = subgraphs_of(Mlp())
    sharded = shard_subgraphs(subgraphs, weights, 2)
    assert sharded.regions == 1
    linear = {name: w for name, w in weights.items() if w.ndim == 2}
    for die in sharded.model.dies:
        shapes = sorted((die.formats[name].out_features, die.formats[name].in_features) for name in linear)
        assert shapes == [(32, 32), (32, 32)]
    (source,) = sharded.sources
    assert source.name == subgraphs[0].name
    assert source.capture(1).inputs == list(subgraphs[0].inputs)


def test_a_weight_of_two_subgraphs_stays_whole():
    subgraphs, weights = subgraphs_of(Shared(), {"cos"})
    assert len(subgraphs) == 2
    sharded = shard_subgraphs(subgraphs, weights, 2)
    assert sharded.regions == 0
    assert not sharded.model.sharding.cuts


@pytest.mark.parametrize(
    ("use", "wanted"),
    [("linear", W16(4, 6)), ("table", Plain((4, 2, 3), "float16")), ("plain", Plain((4, 2, 3), "float32"))],
)
def test_how_a_weight_is_stored(use, wanted):
    assert format_of((4, 2, 3), use) == wanted


def test_weights_in_memory():
    reader = TensorWeights({"w": torch.arange(12.0).reshape(4, 3)})
    found = reader.floats("w", 1, 3)
    assert found.dtype == np.float32
    assert found.tolist() == [[3, 4, 5], [6, 7, 8]]
    with pytest.raises(NotImplementedError):
        reader.codes("w", 0, 1)
