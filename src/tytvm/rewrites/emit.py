"""Emits nodes into a graph: calls of operators that know the shape and type of their values."""

from __future__ import annotations

from torch import fx
from torch._ops import OpOverload


def emit_call(graph: fx.Graph, target: OpOverload, *args: object, **options: object) -> fx.Node:
    """A node that calls an operator, at the graph's insertion point; `meta["val"]` has its value's shape and type."""
    node = graph.call_function(target, args, options)
    node.meta["val"] = target(*fx.node.map_arg(args, lambda source: source.meta["val"]), **options)
    return node
