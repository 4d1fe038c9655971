"""Supported subgraphs: what of a graph is compiled, in pieces as large as they can be; torch runs what is between."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping

import torch
from torch import fx
from torch.fx.passes.infra.partitioner import CapabilityBasedPartitioner
from torch.fx.passes.operator_support import OperatorSupportBase

DTYPES = (torch.float32, torch.int32, torch.int64, torch.bool)
"""Types of values in compiled subgraphs; graphs in half precision are float32 by now."""
aten = torch.ops.aten
NO_COMPUTE = {
    operator.getitem, aten.reshape.default, aten.permute.default, aten.transpose.int, aten.unsqueeze.default,
    aten.squeeze.dim, aten.squeeze.dims, aten.expand.default, aten.slice.Tensor, aten.select.int, aten.clone.default,
    aten.alias.default, aten.detach.default, aten.t.default, aten.unbind.int, aten.chunk.default,
    aten.split.Tensor, aten.split_with_sizes.default,
}  # fmt: skip
"""Operators that compute nothing: a subgraph of these alone is not worth compiling."""


def has_known_types(node: fx.Node) -> bool:
    """Whether a node's values, and those that it reads, are tensors of types that the compiler knows."""
    return all(_is_known(each.meta.get("val")) for each in (node, *node.all_input_nodes))


def extract_supported(graph_module: fx.GraphModule, unsupported: Collection[str]) -> fx.GraphModule:
    """A copy of a graph in which each subgraph to compile is a submodule.

    Args:
        graph_module: with `meta["val"]` at every node.
        unsupported: names of the nodes that torch runs.
    """
    copied, _ = copy_graph_module(graph_module)
    partitioner = CapabilityBasedPartitioner(copied, _Support(unsupported), allows_single_node_partition=True)
    proposed = partitioner.propose_partitions()
    worth = [each for each in proposed if any(node.target not in NO_COMPUTE for node in each.nodes)]
    return partitioner.fuse_partitions(worth, prefix="part") if worth else copied


def copy_graph_module(graph_module: fx.GraphModule) -> tuple[fx.GraphModule, dict[fx.Node, fx.Node]]:
    """A copy with the same names, and node → the node that it is in the copy."""
    graph = fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    result = graph.graph_copy(graph_module.graph, values)
    values[next(iter(graph_module.graph.find_nodes(op="output")))] = graph.output(result)
    return fx.GraphModule(graph_module, graph), values


def subgraph_modules(graph_module: fx.GraphModule) -> dict[str, fx.GraphModule]:
    """The subgraphs to compile, by name; their placeholders are named as what they are given, with `meta["val"]`."""
    found = {}
    for node in graph_module.graph.find_nodes(op="call_module"):
        subgraph = graph_module.get_submodule(node.target)
        for placeholder, argument in zip(subgraph.graph.find_nodes(op="placeholder"), node.args, strict=True):
            assert placeholder.name == argument.name
            placeholder.meta["val"] = argument.meta["val"]
        found[node.target] = subgraph
    return found


class _Support(OperatorSupportBase):  # type: ignore[misc]
    """Says of each node whether it is compiled."""

    def __init__(self, unsupported: Collection[str]) -> None:
        self.unsupported = unsupported

    def is_node_supported(self, submodules: Mapping[str, torch.nn.Module], node: fx.Node) -> bool:
        return node.op == "call_function" and node.name not in self.unsupported


def _is_known(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_known, value))
    return isinstance(value, torch.Tensor) and value.dtype in DTYPES and value.numel() > 0
