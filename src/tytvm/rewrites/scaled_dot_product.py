"""Torch's attention without mask and causality is attention of one packed sequence, which has a kernel of its own."""

from __future__ import annotations

import torch
from torch import fx

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tytvm.rewrites.emit import emit_call
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten


def replace_attention(graph: fx.Graph) -> int:
    """Replace such attentions in place; how many there were."""
    target = aten.scaled_dot_product_attention.default
    return sum(_replace(graph, node) for node in graph.find_nodes(op="call_function", target=target))


def _replace(graph: fx.Graph, node: fx.Node) -> bool:
    q, k, v, mask, dropout, is_causal, scale, has_groups = complete(node.target, node.args, node.kwargs)
    if mask is not None or dropout or is_causal or not _fits(q, k, v, has_groups):
        return False
    factor = q.meta["val"].shape[-1] ** -0.5 if scale is None else scale
    with graph.inserting_before(node):
        out = emit_call(graph, torch.ops.tytvm.segment_attention.default, q, k, v, None, float(factor))
        transposed = emit_call(graph, aten.transpose.int, out, 1, 2)
    for user in list(node.users):
        if _transposes_back(user):
            user.replace_all_uses_with(out)
            graph.erase_node(user)
    node.replace_all_uses_with(transposed)
    graph.erase_node(node)
    if not transposed.users:
        graph.erase_node(transposed)
    return True


def _transposes_back(user: fx.Node) -> bool:
    """Whether a consumer wants tokens before heads."""
    return user.target is aten.transpose.int and {axis % 4 for axis in user.args[1:]} == {1, 2}


def _fits(q: fx.Node, k: fx.Node, v: fx.Node, has_groups: bool) -> bool:
    """Whether q, k and v are float32 [B, heads, S, width] of the same B and S, as many heads or groups of them."""
    values = [each.meta["val"] for each in (q, k, v)]
    if any(value.ndim != 4 or value.dtype != torch.float32 for value in values):
        return False
    (batch, heads, tokens, _), (_, kv_heads, _, _), _ = (value.shape for value in values)
    alike = all(value.shape[0] == batch and value.shape[2] == tokens for value in values)
    groups = heads == kv_heads or (has_groups and heads % kv_heads == 0)
    return bool(alike and groups and values[2].shape[1] == kv_heads)
