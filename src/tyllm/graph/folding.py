"""Folding: what follows from weights alone is computed now, by torch, and becomes a weight itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from tyllm.graph.trace import Traced


def fold(traced: Traced) -> None:
    """Replace every node whose value is known by a weight, in place; names tell what they were made of."""
    graph = traced.graph_module.graph
    known: dict[fx.Node, Any] = {n: traced.weights[n.name] for n in graph.nodes if n.name in traced.weights}
    for node in graph.nodes:
        if _follows(node, known):
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            with torch.inference_mode(False), torch.no_grad():
                known[node] = node.target(*args, **kwargs)
    for node, value in known.items():
        is_new = node.op != "placeholder" and isinstance(value, torch.Tensor)
        if is_new and any(user not in known for user in node.users):
            place(traced, node, value)
    traced.refresh()


def place(traced: Traced, node: fx.Node, value: torch.Tensor) -> None:
    """Put a weight in the place of a node."""
    graph = traced.graph_module.graph
    first = next(n for n in graph.nodes if n.op != "placeholder")
    with graph.inserting_before(first):
        weight = graph.placeholder(f"folded_{node.name}")
    weight.meta["val"] = node.meta.get("val", value)
    node.replace_all_uses_with(weight)
    traced.weights[weight.name] = value.contiguous()


def _follows(node: fx.Node, known: dict[fx.Node, Any]) -> bool:
    """Whether a node's value follows from what is known, the same each time."""
    if node.op != "call_function" or not all(source in known for source in node.all_input_nodes):
        return False
    if not isinstance(node.target, torch._ops.OpOverload):
        return bool(node.all_input_nodes)  # getitem
    return not node.target._schema.is_mutable and torch.Tag.nondeterministic_seeded not in node.target.tags
