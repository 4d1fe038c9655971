"""LayerNorm with weight and bias is our kernel; TVM does any other."""

import torch
from tests.tytvm.imported_graph import of_function


def test_weight_and_bias():
    def function(x, weight, bias):
        return (torch.nn.functional.layer_norm(x, (32,), weight, bias),)

    vector = torch.zeros(32)
    assert of_function(function, x=torch.zeros(2, 4, 32), weight=vector, bias=vector)[1] == "layer_norm_8_32"


def test_over_several_axes_it_is_tvms():
    def function(x, weight, bias):
        return (torch.nn.functional.layer_norm(x, (4, 32), weight, bias),)

    table = torch.zeros(4, 32)
    found = of_function(function, x=torch.zeros(2, 4, 32), weight=table, bias=table)
    assert "relax.nn.layer_norm" in found
