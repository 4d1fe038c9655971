"""What rules of rewriting write nodes with."""

from __future__ import annotations

from typing import Any

from torch import fx

from tyllm.graph.trace import Traced
from tytvm.rewrites.emit import emit_call


class Emit:
    """Adds nodes to a graph, each with its value's shape."""

    def __init__(self, traced: Traced) -> None:
        self.traced, self.graph = traced, traced.graph_module.graph

    def __call__(self, target: Any, *args: Any) -> fx.Node:
        """A node that calls an operator."""
        return emit_call(self.graph, target, *args)

    def knows(self, node: fx.Node) -> bool:
        """Whether a node's value follows from weights alone."""
        if node.op == "placeholder":
            return node.name in self.traced.weights
        return bool(node.all_input_nodes) and all(map(self.knows, node.all_input_nodes))
