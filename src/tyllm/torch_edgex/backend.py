"""The backend: what Dynamo hands over is compiled at its first call, once for each set of shapes and weights.

Inference only: where gradients are wanted, torch runs the module as it is. A module in half precision computes in
float32, and its results are half again. Weights are compiled in; when they change, the module is compiled again.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import fx

from tyllm.graph.compile_graph import compile_graph
from tyllm.graph.linear_layers import rewrite_as_linear_layers
from tyllm.graph.trace import Argument, trace
from tyllm.torch_edgex.graph_runner import GraphRunner
from tyllm.torch_edgex.options import current
from tyllm_base.doors import Door
from tyllm_base.errors import PackageError
from tyllm_base.fork_locks import new_lock

FRAME = re.compile(r'File "(.+)", line (\d+), in (\w+)')


class FallbackWarning(UserWarning):
    """Torch runs a module, or some of its operators, instead of compiled code."""


def edgex(
    graph_module: fx.GraphModule, example_inputs: Sequence[Argument], *, options: Mapping[str, Any] | None = None
) -> DynamoGraph:
    """The backend that `torch.compile(…, backend="edgex")` calls, once for each graph that Dynamo finds."""
    return DynamoGraph(graph_module, options or {})


class DynamoGraph:
    """One of Dynamo's graphs; compiled when it is called."""

    def __init__(self, graph_module: fx.GraphModule, changes: Mapping[str, Any]) -> None:
        self.module, self.base, self.changes = graph_module, current(), dict(changes)
        nodes = graph_module.graph.find_nodes(op="placeholder", sort=True)
        self.frozen = {number for number, node in enumerate(nodes) if _is_static(node)}
        self.name = _name(graph_module)
        self.runners: dict[Hashable, GraphRunner | None] = {}
        self.kept: list[Argument] = []
        self.lock = new_lock()

    def __call__(self, *arguments: Argument) -> Any:
        """The module's results for its arguments, compiled on first use of their shapes.

        Raises:
            SettingError: an option that cannot work.
            OutputError: the folder for compiled modules cannot be written.
            BuildError: there is no C compiler.
        """
        options = self.base.updated(self.changes)
        if options.exec_mode == "EAGER":
            return self.module(*arguments)
        reason = _reason_for_torch(arguments)
        if reason:
            self._warn(f"{self.name} runs in torch: {reason}.")
            return self.module(*arguments)
        with self.lock:
            key = tuple(self._key(number, value) for number, value in enumerate(arguments))
            if key not in self.runners:
                self.runners[key] = self._runner(arguments)
            runner = self.runners[key]
        return self.module(*arguments) if runner is None else runner(arguments)

    @Door(PackageError)
    def _runner(self, arguments: Sequence[Argument]) -> GraphRunner | None:
        """A runner for these shapes and weights; None where torch has to run all of it."""
        options = self.base.updated(self.changes)
        self.kept += [arguments[number] for number in self.frozen]  # so that their addresses stay theirs
        try:
            traced = trace(self.module, arguments, self.frozen)
            rewrite_as_linear_layers(traced)
        except Exception as error:
            self._warn(f"{self.name} runs in torch, which cannot export it: {_first_line(error)}")
            return None
        compiled = compile_graph(traced, options.compile_settings())
        if compiled.unsupported:
            operators = ", ".join(dict.fromkeys(compiled.unsupported.values()))
            self._warn(f"Of {self.name}, {operators} cannot be compiled and run in torch.")
        return GraphRunner(traced, compiled, options)

    def _key(self, number: int, value: Argument) -> Any:
        """A key that is equal for arguments that one program serves."""
        if not isinstance(value, torch.Tensor):
            return value
        shape = (value.dtype, *value.shape)
        if number not in self.frozen:
            return shape
        return (*shape, value.data_ptr(), 0 if value.is_inference() else value._version)

    def _warn(self, text: str) -> None:
        warnings.warn(text, FallbackWarning, stacklevel=3)


def _is_static(node: fx.Node) -> bool:
    """Whether a placeholder is a parameter or a buffer of the module."""
    return bool((node.meta.get("tensor_dict") or {}).get("_dynamo_static_input_type"))


def _name(graph_module: fx.GraphModule) -> str:
    """The place where a graph begins: the function's name, file and line."""
    frames = (FRAME.search(node.stack_trace or "") for node in graph_module.graph.nodes if node.op != "placeholder")
    found = next(filter(None, frames), None)
    return "A function" if found is None else f"{found[3]} ({Path(found[1]).name}, line {found[2]})"


def _reason_for_torch(arguments: Sequence[Argument]) -> str | None:
    """The reason why compiled code cannot take these arguments; None if it can."""
    tensors = [value for value in arguments if isinstance(value, torch.Tensor)]
    if torch.is_grad_enabled() and any(value.requires_grad for value in tensors):
        return "gradients are wanted; call it under torch.no_grad()"
    if any(value.device.type != "cpu" or value.layout != torch.strided for value in tensors):
        return "it has tensors that are not in the processor's memory"
    return None


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
