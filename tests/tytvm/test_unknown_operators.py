"""Operators without a kernel are named by what they compute, and by the module that does."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation

from tytvm.capture import capture
from tytvm.unknown_operators import described, refusal, untranslated


class Rotary(torch.nn.Module):
    """Pairs as complex numbers."""

    def forward(self, x):
        return torch.view_as_complex(x).abs()


def said(module):
    captured = capture(module, {"x": torch.zeros(3, 2, device="meta")})
    return str(refusal([node for node in captured.graph_module.graph.nodes if node.op == "call_function"][:1]))


def test_what_is_known_has_a_name_and_a_place():
    assert said(Rotary()) == (
        "The model computes complex numbers (aten.view_as_complex.default in Rotary), for which there is no kernel."
    )


def test_others_are_named_exactly():
    assert said(Calculation(lambda x: x.frac())).startswith("The model computes aten.frac.default")


def test_a_node_that_its_converter_cannot_cope_with():
    captured = capture(Rotary(), {"x": torch.zeros(3, 2, device="meta")})
    node = next(node for node in captured.graph_module.graph.nodes if node.op == "call_function")
    assert str(untranslated(node, ValueError("x\n" * 200 + "no\nbroadcast"))).endswith(
        "x no broadcast); such modeling code is not supported."
    )


@pytest.mark.parametrize(("name", "what"), [("cumsum", "running sums (relax.cumsum)"), ("odd", "relax.odd")])
def test_by_name(name, what):
    assert described(name, f"relax.{name}") == what
