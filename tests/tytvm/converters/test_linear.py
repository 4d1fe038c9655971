"""A linear layer is the kernel of its weight's format; a computed weight has none."""

import pytest
import torch
from tests.tytvm.imported_graph import FLOATS, INPUTS, calls, imported
from tests.tytvm.small_graph import Calculation, Small, graph_of, weight_formats

from tyllm_base.errors import UnsupportedError
from tytvm.weights import W4


def test_float_activations_stay():
    weights = weight_formats(Small()) | {"up.weight": W4(40, 32, 32)}
    found = calls(imported(graph_of(Small(), weights, **INPUTS), FLOATS))
    assert not any(name.startswith("quantize_rows") for name in found)
    assert "linear_w4a16_4_32_40_32" in found


def test_a_bias_is_added_by_the_kernel():
    found = calls(imported(graph_of(torch.nn.Linear(64, 40), input=torch.zeros(4, 64))))
    assert found == ["linear_w16a16_4_64_40_bias"]


def test_a_computed_weight_is_refused():
    def function(x, w):
        return (torch.nn.functional.linear(x, w),)

    graph = graph_of(Calculation(function), x=torch.zeros(2, 8), w=torch.zeros(5, 8))
    with pytest.raises(UnsupportedError, match="A linear layer multiplies by w, no weight of the checkpoint"):
        imported(graph)
