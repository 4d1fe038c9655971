"""Torch's own attention, called by a model's code, as the steps that it stands for: softmax(scale · q kᵀ + mask) v."""

from __future__ import annotations

import math

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten


def write_out(graph: fx.Graph) -> int:
    """Replace such calls in place; how many there were. Those of groups of heads, or with dropout, stay."""
    target = aten.scaled_dot_product_attention.default
    return sum(_write_out(graph, node) for node in graph.find_nodes(op="call_function", target=target))


def _write_out(graph: fx.Graph, node: fx.Node) -> bool:
    q, k, v, mask, dropout, is_causal, scale, has_groups = complete(node.target, node.args, node.kwargs)
    if dropout or has_groups:
        return False
    factor = 1 / math.sqrt(q.meta["val"].shape[-1]) if scale is None else scale
    with graph.inserting_before(node):
        scores = emit_call(graph, aten.matmul.default, q, emit_call(graph, aten.transpose.int, k, -1, -2))
        scores = emit_call(graph, aten.mul.Tensor, scores, factor)
        if is_causal:
            ones = emit_call(graph, aten.ones_like.default, scores, dtype=torch.bool)
            mask = emit_call(graph, aten.tril.default, ones)
        if mask is not None:
            scores = _masked(graph, scores, mask)
        weights = emit_call(graph, aten.softmax.int, scores, -1)
        node.replace_all_uses_with(emit_call(graph, aten.matmul.default, weights, v))
    graph.erase_node(node)
    return True


def _masked(graph: fx.Graph, scores: fx.Node, mask: fx.Node) -> fx.Node:
    """The scores with a mask of numbers added, or all hidden of which one of truth values is False."""
    if mask.meta["val"].dtype != torch.bool:
        return emit_call(graph, aten.add.Tensor, scores, mask)
    hidden = emit_call(graph, aten.logical_not.default, mask)
    return emit_call(graph, aten.masked_fill.Scalar, scores, hidden, -math.inf)
