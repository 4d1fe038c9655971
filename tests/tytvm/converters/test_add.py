"""A sum is made by the norm that reads it, where there is one."""

import torch
from tests.tytvm.imported_graph import INPUTS, calls, imported, of_function
from tests.tytvm.small_graph import Small, graph_of


class Residual(Small):
    """A sum that a norm reads, and that is read again after it."""

    def forward(self, tokens, row):
        x = self.table(tokens)
        x = x + self.down(torch.nn.functional.silu(self.gate(x)) * self.up(x))
        return self.head((self.norm(x) + x)[:, row])


def test_a_residual_is_added_by_the_norm_that_reads_it():
    found = calls(imported(graph_of(Residual(), **INPUTS)))
    assert sum(name.startswith("add_rms_norm_4_32") for name in found) == 1
    assert found.count("relax.add") == 1  # what the head reads


def test_a_sum_of_two_shapes_is_not_the_norms():
    def function(x, y, weight):
        return (torch.ops.tytvm.rms_norm(x + y, weight, 1e-6),)

    found = of_function(function, x=torch.zeros(4, 32), y=torch.zeros(32), weight=torch.zeros(32))
    assert found == ["relax.add", "rms_norm_4_32"]


def test_a_sum_is_the_layer_norms_too():
    def function(x, y, weight, bias):
        total = x + y
        return total, torch.nn.functional.layer_norm(total, (32,), weight, bias)

    vector = torch.zeros(32)
    found = of_function(function, x=torch.zeros(4, 32), y=torch.zeros(4, 32), weight=vector, bias=vector)
    assert found == ["add_layer_norm_4_32"]
