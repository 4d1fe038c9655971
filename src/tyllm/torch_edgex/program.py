"""Program: a built graph as a function of tensors; compiled parts run through the runtime, the rest in torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from tyllm.graph.compile_graph import Built
from tyllm.graph.subgraphs import Part
from tyllm.graph.trace import HALVES, Traced
from tyllm.runtime.execute.module import CompiledModule
from tyllm.torch_edgex.options import Options


class Program:
    """Runs one graph for one set of shapes and weights."""

    def __init__(self, traced: Traced, built: Built, options: Options) -> None:
        """Load what was built, unless it is only traced.

        Raises:
            PackageError: code that cannot be loaded.
            TyllmError: the system refuses memory or threads.
        """
        self.results, self.built = traced.results, built
        output = next(iter(traced.graph_module.graph.find_nodes(op="output")))
        self.shapes = [getattr(node.meta["val"], "shape", None) if isinstance(node, fx.Node) else None
                       for node in output.args[0]]  # fmt: skip
        self.runs = not options.trace_only
        if self.runs and built.config is not None:
            order = options.order()
            module = CompiledModule(built.folder, built.config, options.threads, order=order, pin=order is not None)
            _put_in(built, module)
        names = [node.name for node in built.partitioned.graph.find_nodes(op="placeholder")]
        self.weights = {name: traced.weights[name] for name in names if name in traced.weights}
        self.arguments = [traced.arguments.get(name) for name in names]
        self.names = names

    def __call__(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """What the graph returns for its arguments; those that it writes to get their new values."""
        with torch.no_grad():
            values = self._run(arguments) if self.runs else self._zeros()
            given = []
            for value, result in zip(values, self.results, strict=True):
                if result.writes is not None:
                    arguments[result.writes].copy_(value)
                else:
                    given.append(value.to(result.dtype) if isinstance(value, torch.Tensor) else value)
        return tuple(given)

    def _run(self, arguments: Sequence[Any]) -> Sequence[Any]:
        pairs = zip(self.names, self.arguments, strict=True)
        values = [self.weights[name] if number is None else _wide(arguments[number]) for name, number in pairs]
        found: Sequence[Any] = self.built.partitioned(*values)
        return found

    def _zeros(self) -> Sequence[Any]:
        pairs = zip(self.shapes, self.results, strict=True)
        return [None if shape is None else torch.zeros(shape, dtype=result.dtype) for shape, result in pairs]


class _Runner(torch.nn.Module):  # type: ignore[misc]
    """A compiled part in the place of its submodule."""

    def __init__(self, part: Part, module: CompiledModule, is_single: bool) -> None:
        super().__init__()
        self.part, self.module, self.is_single = part, module, is_single

    def forward(self, *inputs: torch.Tensor) -> Any:
        arrays = {name: value.detach().numpy() for name, value in zip(self.part.inputs, inputs, strict=True)}
        found = self.module(self.part.name, arrays)
        values = [torch.from_numpy(found[name]) for name in self.part.outputs]
        return values[0] if self.is_single else values


def _put_in(built: Built, module: CompiledModule) -> None:
    """Put the compiled parts in the place of the submodules; their weights are handed over no more."""
    parts = {part.name: part for part in built.parts}
    graph = built.partitioned.graph
    for node in graph.find_nodes(op="call_module"):
        part = parts[node.target]
        is_single = not isinstance(node.meta.get("val"), list | tuple)
        node.args = tuple(argument for argument in node.args if argument.name in part.inputs)
        setattr(built.partitioned, node.target, _Runner(part, module, is_single))
    for node in graph.find_nodes(op="placeholder"):
        if not node.users:
            graph.erase_node(node)
    graph.lint()
    built.partitioned.recompile()


def _wide(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in HALVES else value
