"""Activations are done together with their linear layer where one kernel can; else by themselves."""

import pytest
import torch
from tests.tytvm.imported_graph import FLOATS, KERNELS, calls, imported
from tests.tytvm.small_graph import graph_of

from tytvm.lower import lower


class Mlp(torch.nn.Module):
    """Two layers with an activation between them."""

    def __init__(self, function):
        super().__init__()
        self.first, self.second = torch.nn.Linear(64, 76), torch.nn.Linear(76, 64)
        self.function = function

    def forward(self, x):
        return (self.second(self.function(self.first(x))),)


FUNCTIONS = {
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "silu": torch.nn.functional.silu,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_activation_is_its_kernel(name):
    found = calls(imported(graph_of(Mlp(FUNCTIONS[name]), x=torch.zeros(48, 64)), FLOATS))
    assert found == ["linear_w16a16_48_64_76_bias", f"{name}_48_76", "linear_w16a16_48_76_64_bias"]


@pytest.mark.skipif(not KERNELS.spec.has_tiles, reason="this machine has no AMX")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_rows_are_activated_where_they_are_multiplied(name):
    found = calls(lower(imported(graph_of(Mlp(FUNCTIONS[name]), x=torch.zeros(48, 64)))))
    assert found[1:] == [f"{name}_w16a16_amx_48_64_76_bias", "linear_w16a16_amx_48_76_64_bias"]
