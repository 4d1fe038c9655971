"""Node builder: how rewrites of a graph add nodes to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import fx

from tyllm.graph.trace import TracedGraph
from tytvm.rewrites.emit import emit_call


class NodeBuilder:
    """Adds nodes to a traced graph where its insertion point is."""

    def __init__(self, traced: TracedGraph) -> None:
        self.traced, self.graph = traced, traced.graph_module.graph

    def call(self, target: Callable[..., Any], *args: Any) -> fx.Node:
        """A new node that calls an operator.

        Args:
            target: the operator, such as `torch.ops.aten.add.Tensor`.
            args: nodes, which stand for their values, and literals.

        Returns:
            The node, with the shape and type of its value in `meta["val"]`.
        """
        return emit_call(self.graph, target, *args)

    def is_constant(self, node: fx.Node) -> bool:
        """Whether a node's value follows from weights alone."""
        if node.op == "placeholder":
            return node.name in self.traced.weights
        return bool(node.all_input_nodes) and all(map(self.is_constant, node.all_input_nodes))
