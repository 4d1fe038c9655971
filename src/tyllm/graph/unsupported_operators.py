"""Unsupported operators: which of a subgraph's operators cannot be compiled, found by compiling each alone."""

from __future__ import annotations

import operator
from collections.abc import Iterator

import torch
from torch import fx

from tyllm.graph.linear_layers import use_of
from tyllm.graph.subgraphs import Subgraph, format_of, layout_of
from tytvm.capture import Capture
from tytvm.compile import ProgramJob, compile_program
from tytvm.graph import Graph
from tytvm.kernel_choice import Kernels
from tytvm.memory_layout import lay_out


def find_unsupported(subgraph: Subgraph, kernels: Kernels) -> dict[str, str]:
    """The nodes of a subgraph that the compiler refuses, by name, with the operator's name."""
    verdicts: dict[str, bool] = {}
    found: dict[str, str] = {}
    for node in subgraph.graph_module.graph.nodes:
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        key = _key(node)
        if key not in verdicts:
            verdicts[key] = _compiles(subgraph, node, kernels)
        if not verdicts[key]:
            found |= {each.name: str(node.target) for each in _with_items(node)}
    return found


def _with_items(node: fx.Node) -> Iterator[fx.Node]:
    """A node, and those that take its value apart."""
    yield node
    yield from (user for user in node.users if user.target is operator.getitem)


def _key(node: fx.Node) -> str:
    """The same for nodes that compile alike."""
    shapes = [(tuple(each.meta["val"].shape), each.meta["val"].dtype) for each in node.all_input_nodes]
    literals = fx.node.map_arg((node.args, node.kwargs), lambda each: None)
    return f"{node.target} {shapes} {literals}"


def _compiles(subgraph: Subgraph, node: fx.Node, kernels: Kernels) -> bool:
    """Whether a node compiles alone."""
    try:
        graph = _alone(subgraph, node)
        compile_program(ProgramJob(graph, kernels, layout_of(graph.weights), lay_out({})))
    except Exception:
        return False
    return True


def _alone(subgraph: Subgraph, node: fx.Node) -> Graph:
    graph = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    for source in node.all_input_nodes:
        values[source] = graph.placeholder(source.name)
        values[source].meta["val"] = source.meta["val"]
    copied = values[node] = graph.node_copy(node, values.__getitem__)
    results = _results(graph, copied)
    graph.output(results)
    names = [source.name for source in node.all_input_nodes]
    parameters = {name: name for name in names if name in subgraph.parameters}
    inputs = [name for name in names if name not in parameters and name not in subgraph.constants]
    capture = Capture(fx.GraphModule(torch.nn.Module(), graph), parameters, dict(subgraph.constants), inputs)
    formats = {s.name: format_of(tuple(s.meta["val"].shape), use_of(s, node)) for s in node.all_input_nodes}
    outputs = tuple(f"result{number}" for number in range(len(results)))
    return Graph(capture, {n: formats[n] for n in parameters}, parameters, outputs=outputs, head_input=None)


def _results(graph: fx.Graph, node: fx.Node) -> tuple[fx.Node, ...]:
    """The results of a graph of one node: its value, or each item of a list of values."""
    values = node.meta["val"]
    if not isinstance(values, list | tuple):
        return (node,)
    items = []
    for number, value in enumerate(values):
        item = graph.call_function(operator.getitem, (node, number))
        item.meta["val"] = value
        items.append(item)
    return tuple(items)
