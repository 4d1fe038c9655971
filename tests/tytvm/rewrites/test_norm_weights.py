"""Norms without weight or bias get ones and zeros, one constant for all norms of a width."""

import pytest
import torch
import torch.nn.functional as F
from tests.tytvm.small_graph import Calculation

from tytvm.capture import capture
from tytvm.rewrites.norm_weights import fill


def captured(function, *names):
    inputs = {
        name: torch.zeros(2, 8, device="meta") if name == "x" else torch.zeros(8, device="meta") for name in names
    }
    return capture(Calculation(function), inputs)


@pytest.mark.parametrize(
    ("function", "made"),
    [
        (lambda x: F.layer_norm(x, (8,)), {"norm_ones_8": 1.0, "norm_zeros_8": 0.0}),
        (lambda x: F.rms_norm(x, (8,), eps=1e-5) + F.rms_norm(x, (8,), eps=1e-6), {"norm_ones_8": 1.0}),
    ],
    ids=["layer", "rms"],
)
def test_what_is_missing(function, made):
    found = captured(function, "x")
    assert fill(found) == (2 if len(made) == 1 else 1)
    assert {name: float(value.unique()) for name, value in found.constants.items()} == made
    torch.manual_seed(0)
    x = torch.randn(2, 8)
    names = [node.name for node in found.graph_module.graph.find_nodes(op="placeholder")]
    (result,) = found.graph_module(*(found.constants.get(name, x) for name in names))
    torch.testing.assert_close(result, function(x))


def test_a_bias_alone_is_missing():
    found = captured(lambda x, w: F.layer_norm(x, (8,), w), "x", "w")
    assert fill(found) == 1
    assert list(found.constants) == ["norm_zeros_8"]


def test_a_norm_that_has_all_stays():
    found = captured(lambda x, w, b: F.layer_norm(x, (8,), w, b) + F.rms_norm(x, (8,), w, 1e-5), "x", "w", "b")
    assert fill(found) == 0 and not found.constants
