"""Graph runner: a compiled graph as a function of tensors; its subgraphs run through the runtime, the rest in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx

from tyllm.graph.compile_cache import hold_module
from tyllm.graph.compile_graph import CompiledGraph
from tyllm.graph.subgraphs import Subgraph
from tyllm.graph.trace import HALF_DTYPES, Argument, TracedGraph
from tyllm.runtime.execute.module import CompiledModule
from tyllm.torch_edgex.options import Options
from tyllm_base.doors import Door
from tyllm_base.errors import PackageError


class GraphRunner:
    """Runs one graph for one set of shapes and weights."""

    def __init__(self, traced: TracedGraph, compiled: CompiledGraph, options: Options) -> None:
        """Load what was compiled, unless it is only traced.

        Raises:
            PackageError: code that cannot be loaded.
            TyllmError: the system refuses memory or threads.
        """
        self.results, self.compiled = traced.results, compiled
        output = next(iter(traced.graph_module.graph.find_nodes(op="output")))
        self.shapes = [getattr(node.meta["val"], "shape", None) if isinstance(node, fx.Node) else None
                       for node in output.args[0]]  # fmt: skip
        self.runs = not options.trace_only
        if self.runs and compiled.config is not None:
            order = options.order()
            own = (hold_module(compiled.folder), compiled.config, options.threads)
            _insert_runners(compiled, CompiledModule(*own, order=order, pin=order is not None))
        names = [node.name for node in compiled.graph_module.graph.find_nodes(op="placeholder")]
        self.weights = {name: traced.weights[name] for name in names if name in traced.weights}
        self.arguments = [traced.arguments.get(name) for name in names]
        self.names = names

    def __call__(self, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The graph's results for its arguments (tensors, numbers); those that it writes to get their new values."""
        with torch.no_grad():
            values = self._run(arguments) if self.runs else self._zeros()
            given = []
            for value, result in zip(values, self.results, strict=True):
                if result.writes is not None:
                    torch.as_tensor(arguments[result.writes]).copy_(value)  # itself, for it is a tensor
                else:
                    given.append(value.to(result.dtype) if isinstance(value, torch.Tensor) else value)
        return tuple(given)

    def _run(self, arguments: Sequence[Argument]) -> Sequence[Argument]:
        pairs = zip(self.names, self.arguments, strict=True)
        values = [self.weights[name] if number is None else _to_float32(arguments[number]) for name, number in pairs]
        found: Sequence[Argument] = self.compiled.graph_module(*values)
        return found

    def _zeros(self) -> Sequence[Argument]:
        pairs = zip(self.shapes, self.results, strict=True)
        return [None if shape is None else torch.zeros(shape, dtype=result.dtype) for shape, result in pairs]


class _SubgraphRunner(torch.nn.Module):  # type: ignore[misc]
    """A compiled subgraph in the place of its submodule."""

    def __init__(self, subgraph: Subgraph, module: CompiledModule, is_single: bool) -> None:
        super().__init__()
        self.subgraph, self.module, self.is_single = subgraph, module, is_single

    @Door(PackageError)
    def forward(self, *inputs: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        arrays = {name: value.detach().numpy() for name, value in zip(self.subgraph.inputs, inputs, strict=True)}
        found = self.module(self.subgraph.name, arrays)
        values = [torch.from_numpy(found[name]) for name in self.subgraph.outputs]
        return values[0] if self.is_single else values


def _insert_runners(compiled: CompiledGraph, module: CompiledModule) -> None:
    """Put the compiled subgraphs in the place of the submodules; their weights are handed over no more."""
    subgraphs = {subgraph.name: subgraph for subgraph in compiled.subgraphs}
    graph = compiled.graph_module.graph
    for node in graph.find_nodes(op="call_module"):
        subgraph = subgraphs[node.target]
        is_single = not isinstance(node.meta.get("val"), list | tuple)
        node.args = tuple(argument for argument in node.args if argument.name in subgraph.inputs)
        setattr(compiled.graph_module, node.target, _SubgraphRunner(subgraph, module, is_single))
    for node in graph.find_nodes(op="placeholder"):
        if not node.users:
            graph.erase_node(node)
    graph.lint()
    compiled.graph_module.recompile()


def _to_float32(value: Argument) -> Argument:
    """A tensor in float32 where it is in half precision; anything else as it is."""
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in HALF_DTYPES else value
