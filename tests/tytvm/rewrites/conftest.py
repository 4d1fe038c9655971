"""Graphs to rewrite: captured as the compiler captures them, run before and after, and written as text."""

import copy
import os
from pathlib import Path

import pytest
import torch

from tytvm.rewrites import apply

GOLDEN = Path(__file__).parent / "golden"


class Calculation(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.forward = function  # itself, so that the graph's inputs have its arguments' names


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def rewritten():
    """`rewritten(model, *inputs)`: the rewritten graph of a module or function, seen to return what that returns."""
    return _rewritten


@pytest.fixture
def golden(request):
    """`golden(model, *inputs)`: the same, and the graph before and after is the text of golden/<test>.txt."""

    def compare(model, *inputs):
        before = _text(_export(_as_module(model), inputs).graph)
        graph_module = _rewritten(model, *inputs)
        text = f"before\n{before}\nafter\n{_text(graph_module.graph)}"
        path = GOLDEN / f"{request.node.name}.txt"
        command = f"WRITE_GOLDEN=1 python -m pytest '{request.node.nodeid}'"
        if "WRITE_GOLDEN" in os.environ:
            path.write_text(text)
        assert path.exists(), f"{path.name} is missing; write it with: {command}"
        assert path.read_text() == text, f"{path.name} differs; if it should, write it anew with: {command}"
        return graph_module

    return compare


def _as_module(model):
    return model if isinstance(model, torch.nn.Module) else Calculation(model)


def _rewritten(model, *inputs):
    module = _as_module(model)
    program = _export(module, inputs)
    graph_module = apply(copy.deepcopy(program.graph_module))
    with torch.no_grad():
        expected, got = module(*inputs), graph_module(*_arguments(program, inputs))
    expected = expected if isinstance(expected, tuple) else (expected,)
    torch.testing.assert_close(tuple(got), expected, atol=1e-5, rtol=1e-5)
    return graph_module


def _export(module, inputs):
    with torch.no_grad():
        return torch.export.export(module.eval(), tuple(inputs), strict=False)


def _arguments(program, inputs):
    """The values of the graph's placeholders: weights, buffers, constants, then the module's own inputs."""
    known = {**program.constants, **program.state_dict}
    own = iter(inputs)
    return [known[spec.target] if spec.target in known else next(own) for spec in program.graph_signature.input_specs]


def _text(graph):
    """One line per node: name, type, operator and arguments."""
    return "".join(f"    {_line(node)}\n" for node in graph.nodes)


def _line(node):
    if node.op == "output":
        return f"return {', '.join(map(str, node.args[0]))}"
    value = node.meta.get("val")
    kind = f": {str(value.dtype).removeprefix('torch.')}{list(value.shape)}" if isinstance(value, torch.Tensor) else ""
    if node.op == "placeholder":
        return f"{node.name}{kind}"
    args = [*map(str, node.args), *(f"{name}={value}" for name, value in node.kwargs.items())]
    return f"{node.name}{kind} = {node.target}({', '.join(args)})"
