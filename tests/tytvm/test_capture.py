"""Capture: the graph names its weights, buffers and inputs; no value of a weight is there."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation, Small

from tyllm_base.errors import UnsupportedError
from tytvm.capture import capture

with torch.device("meta"):
    INPUTS = {"tokens": torch.zeros(1, 4, dtype=torch.int64), "row": torch.zeros(1, dtype=torch.int64)}


class Scaled(torch.nn.Module):
    """A module with a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("frequencies", torch.arange(4.0))

    def forward(self, x):
        return x * self.frequencies


def test_weights_and_inputs_are_named():
    captured = capture(Small().to("meta"), INPUTS)
    assert set(captured.parameters.values()) == {name for name, _ in Small().named_parameters()}
    assert captured.inputs == ["tokens", "row"]
    placeholders = [node.name for node in captured.graph_module.graph.nodes if node.op == "placeholder"]
    assert set(captured.parameters) | set(captured.constants) | set(captured.inputs) == set(placeholders)


def test_buffers_keep_their_values():
    module = Scaled()
    captured = capture(module, {"x": torch.zeros(2, 4, device="meta")})
    (value,) = captured.constants.values()
    assert value.tolist() == [0, 1, 2, 3]
    assert module.frequencies.tolist() == [0, 1, 2, 3]  # and the module has them again


def test_shapes_are_static():
    captured = capture(Small().to("meta"), INPUTS)
    (output,) = next(node for node in captured.graph_module.graph.nodes if node.op == "output").args[0]
    assert tuple(output.meta["val"].shape) == (1, 1, 24)


def test_control_flow_on_values_is_refused():
    def branch(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(UnsupportedError, match=r"Calculation chooses by numbers .*not supported\.") as e:
        capture(Calculation(branch), {"x": torch.zeros(2, device="meta")})
    assert e.value.exit_code == 5 and "\n" not in str(e.value)


def test_sizes_that_depend_on_values_are_refused():
    class Chooses(torch.nn.Module):
        def forward(self, x):
            return x[torch.nonzero(x[:, 0] > 0)[:, 0]]

    with pytest.raises(UnsupportedError, match=r"Chooses makes a tensor whose size depends on the text \(\w+, \[u0"):
        capture(Chooses(), {"x": torch.zeros(4, 4, device="meta")})
