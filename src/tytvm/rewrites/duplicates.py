"""Common subexpressions are computed once: every captured layer unsqueezes cos and sin anew."""

from __future__ import annotations

import operator

import torch
from torch import fx


def merge_duplicates(graph: fx.Graph) -> int:
    """Let each node's consumers read the first node like it (common subexpressions); the number of nodes gone."""
    first: dict[str, fx.Node] = {}
    before = len(graph.nodes)
    for node in list(graph.nodes):
        if not is_pure(node):
            continue
        # Written out, a node argument is its unique name, and 1, 1.0 and True differ.
        original = first.setdefault(repr((node.target, node.args, node.kwargs)), node)
        if original is not node:
            node.replace_all_uses_with(original)
            graph.erase_node(node)
    return before - len(graph.nodes)


def is_pure(node: fx.Node) -> bool:
    """Whether the node's value follows from its arguments alone."""
    if node.target is operator.getitem:
        return True
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    return not node.target._schema.is_mutable and torch.Tag.nondeterministic_seeded not in node.target.tags
