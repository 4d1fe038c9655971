"""Trace: a torch graph becomes a functional graph of ATen operators in float32, with its weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind, OutputSpec
from torch.fx._lazy_graph_module import _use_lazy_graph_module
from torch.fx.passes.fake_tensor_prop import FakeTensorProp

HALF_DTYPES = (torch.float16, torch.bfloat16)
Argument: TypeAlias = torch.Tensor | int | float | bool | None
"""What a graph is called with."""


@dataclass(frozen=True)
class TracedResult:
    """A value that a traced graph returns.

    Attributes:
        dtype: the type that torch gives it; None where it is no tensor.
        writes: number of the argument that it is the new value of; None where it is returned to the caller.
    """

    dtype: torch.dtype | None
    writes: int | None


@dataclass(frozen=True)
class TracedGraph:
    """A functional graph: its placeholders are weights and arguments.

    Attributes:
        graph_module: with `meta["val"]` at every node.
        weights: placeholder → value; no type is half precision.
        arguments: placeholder → number of the caller's argument.
        results: the values that it returns, in order.
    """

    graph_module: fx.GraphModule
    weights: dict[str, torch.Tensor]
    arguments: dict[str, int]
    results: list[TracedResult]

    def refresh(self) -> None:
        """Compute `meta["val"]` of every node anew, from those of the placeholders; drop what nothing reads."""
        self.graph_module.graph.eliminate_dead_code()
        for node in self.graph_module.graph.find_nodes(op="placeholder"):
            if not node.users:
                self.weights.pop(node.name, None)
                self.arguments.pop(node.name, None)
                self.graph_module.graph.erase_node(node)
        propagate(self.graph_module)


def trace(module: fx.GraphModule, arguments: Sequence[Argument], frozen: Collection[int]) -> TracedGraph:
    """Trace a graph module on what it is called with.

    Args:
        module: a graph whose inputs are positional, as Dynamo's are.
        arguments: tensors and numbers; shapes and numbers are compiled in.
        frozen: numbers of the arguments whose values are compiled in too, unless the module writes to them.

    Raises:
        Exception: torch.export's, of many kinds.
    """
    exported = _export(module, arguments)
    signature, graph_module = exported.graph_signature, exported.graph_module
    own = {**exported.state_dict, **exported.constants}
    results = [_result(spec, exported) for spec in signature.output_specs]
    written = {result.writes for result in results}
    weights: dict[str, torch.Tensor] = {}
    numbers: dict[str, int] = {}
    for spec in signature.input_specs:
        if spec.kind != InputKind.USER_INPUT:
            weights[spec.arg.name] = own[str(spec.target)].detach()
        elif (number := len(numbers)) in frozen and number not in written:
            weights[spec.arg.name] = torch.as_tensor(arguments[number]).detach()
            numbers[spec.arg.name] = number
        else:
            numbers[spec.arg.name] = number
    kept = {name: number for name, number in numbers.items() if name not in weights}
    canonicalize(graph_module)
    _promote(graph_module)
    weights = {name: value.float() if value.dtype in HALF_DTYPES else value for name, value in weights.items()}
    traced = TracedGraph(graph_module, weights, kept, results)
    traced.refresh()
    return traced


def propagate(graph_module: fx.GraphModule) -> None:
    """Compute `meta["val"]` of every node from those of the placeholders."""
    mode = FakeTensorMode()
    values = [_fake(node.meta["val"], mode) for node in graph_module.graph.find_nodes(op="placeholder")]
    graph_module.recompile()
    with torch.no_grad():
        FakeTensorProp(graph_module, mode).propagate_dont_convert_inputs(*values)


def _export(module: fx.GraphModule, arguments: Sequence[Argument]) -> ExportedProgram:
    mode = FakeTensorMode()
    fakes = tuple(_fake(argument, mode) for argument in arguments)
    with torch.inference_mode(False), torch.no_grad(), _use_lazy_graph_module(True):
        return torch.export.export(module, fakes, strict=False).run_decompositions({})


def _fake(value: Argument, mode: FakeTensorMode) -> Argument:
    """A tensor of the same shape without memory."""
    if not isinstance(value, torch.Tensor):
        return value
    with mode:
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)


def _result(spec: OutputSpec, exported: ExportedProgram) -> TracedResult:
    node = next((n for n in exported.graph.nodes if n.name == getattr(spec.arg, "name", None)), None)
    value = None if node is None else node.meta["val"]
    writes = None
    if spec.kind != OutputKind.USER_OUTPUT:
        names = list(exported.graph_signature.user_inputs)
        writes = names.index(spec.target)
    return TracedResult(value.dtype if isinstance(value, torch.Tensor) else None, writes)


def canonicalize(graph_module: fx.GraphModule) -> None:
    """Drop assertions of types and strides, and make views reshapes, in place: a rewritten graph may have others."""
    for node in list(graph_module.graph.nodes):
        if node.target is torch.ops.aten._assert_tensor_metadata.default:
            graph_module.graph.erase_node(node)
        elif node.target in (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default):
            node.target = torch.ops.aten.reshape.default


def _promote(graph_module: fx.GraphModule) -> None:
    """Let the graph compute in float32 what it would in half precision."""
    for node in graph_module.graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and isinstance(value, torch.Tensor) and value.dtype in HALF_DTYPES:
            node.meta["val"] = value.to(torch.float32)
        node.args, node.kwargs = _widened(node.args), _widened(node.kwargs)


def _widened(value: fx.node.Argument) -> fx.node.Argument:
    """Arguments with float32 where they name half precision."""
    if isinstance(value, Mapping):
        return {key: _widened(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_widened, value))
    return torch.float32 if isinstance(value, torch.dtype) and value in HALF_DTYPES else value
