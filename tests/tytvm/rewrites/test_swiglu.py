"""The product silu(gate) · up is found in either order, and not where silu(gate) or a broadcast is wanted."""

import pytest
import torch
import torch.nn.functional as F


def inputs():
    return torch.randn(1, 3, 8), torch.randn(1, 3, 8)


def count(graph_module):
    return graph_module.meta["rewrites"]["swiglu"]


def test_swiglu(golden):
    assert count(golden(lambda gate, up: F.silu(gate) * up, *inputs())) == 1


def test_up_first(rewritten):
    assert count(rewritten(lambda gate, up: up * F.silu(gate), *inputs())) == 1


def test_of_two_gates_one_is_the_up(rewritten):
    assert count(rewritten(lambda gate, up: F.silu(gate) * F.silu(up), *inputs())) == 1


@pytest.mark.parametrize(
    "formula",
    [
        lambda gate, up: F.gelu(gate) * up,
        lambda gate, up: F.silu(gate) * 2.0,
        lambda gate, up: F.silu(gate) * up[:, :1],
        lambda gate, up: F.silu(gate) * up.double(),
        lambda gate, up: F.silu(gate) + up,
    ],
    ids=["gelu", "number", "broadcast", "double", "sum"],
)
def test_what_is_no_swiglu_stays(rewritten, formula):
    assert count(rewritten(formula, *inputs())) == 0


def test_a_gate_that_is_read_elsewhere_is_not_computed_twice(rewritten):
    def formula(gate, up):
        open_gate = F.silu(gate)
        return open_gate * up, open_gate.exp()

    assert count(rewritten(formula, *inputs())) == 0
