"""Products, convolutions and batch norms become linear layers; weights are stored once for each way to read them."""

import pytest
import torch
import torch.nn.functional as F
from tests.tyllm.torch_edgex.blocks import TOLERANCE, ResNetBlock, error, sample, wholly_compiled
from torch import nn

from tyllm.graph.linear_layers import rewrite_as_linear_layers
from tyllm.graph.trace import trace

aten = torch.ops.aten
OPERATORS = {
    "strides": lambda x: F.conv2d(x, torch.linspace(-1, 1, 3 * 4 * 6).reshape(3, 4, 3, 2), stride=2, padding=(2, 1)),
    "dilation": lambda x: F.conv1d(x[0], torch.linspace(-1, 1, 5 * 6 * 3).reshape(5, 6, 3), dilation=2),
    "dilation, with steps as long as the kernel": lambda x: F.conv2d(
        x, torch.linspace(-1, 1, 3 * 4 * 4).reshape(3, 4, 2, 2), stride=2, dilation=2
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    torch.manual_seed(2)
    function, x = OPERATORS[name], torch.randn(2, 4, 6, 10)
    found = wholly_compiled(function, x)
    assert found.shape == function(x).shape
    assert error(found, function(x)) < TOLERANCE


def layers_of(module, x):
    """The operators of a module's graph, and its weights."""
    traced = trace(torch.export.export(module, (x,), strict=False).module(), (x,), ())
    rewrite_as_linear_layers(traced)
    return [node.target for node in traced.graph_module.graph.nodes if node.op == "call_function"], traced.weights


def test_batch_norm_goes_into_the_convolution_before_it():
    operators, weights = layers_of(*sample(ResNetBlock))
    assert operators.count(aten.linear.default) == 2
    assert not {aten.conv2d.default, aten._native_batch_norm_legit_no_training.default} & set(operators)
    assert sorted(tuple(value.shape) for value in weights.values()) == [(8,), (8,), (8, 72), (8, 72)]


def test_a_weight_beyond_float16_is_multiplied_in_float32():
    module = nn.Linear(4, 4)
    module.weight.mul_(1e6)
    x = torch.randn(3, 4)
    assert aten.linear.default not in layers_of(module, x)[0]
    assert error(wholly_compiled(module, x), module(x)) < 1e-6


def test_a_weight_that_is_read_in_two_ways_is_stored_twice():
    class Tied(nn.Linear):
        def forward(self, x):
            return super().forward(x) + (x[:, None] * self.weight).sum(-1)

    module, x = Tied(4, 4), torch.randn(3, 4)
    assert len(layers_of(module, x)[1]) == 3  # the layer's weight and bias, and the factor
    assert error(wholly_compiled(module, x), module(x)) < TOLERANCE
