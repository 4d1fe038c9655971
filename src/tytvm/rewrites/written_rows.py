"""A row that is read from a tensor after a row was written is that row, or the tensor's own (M-RoPE mixes its rows)."""

from __future__ import annotations

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten


def read_through(graph: fx.Graph) -> int:
    """Let in place each such reader read what was written, or the tensor before; how often."""
    made = sum(_read_through(graph, node) for node in list(graph.nodes) if node.target is aten.select.int)
    graph.eliminate_dead_code()
    return made


def _read_through(graph: fx.Graph, node: fx.Node) -> bool:
    source, axis, index = node.args
    if source.target is not aten.select_scatter.default:
        return False
    tensor, row, written_axis, written = complete(source.target, source.args, source.kwargs)
    axes, size = tensor.meta["val"].ndim, tensor.meta["val"].shape[axis]
    if axis % axes != written_axis % axes:
        return False
    if index % size == written % size:
        found = row
    else:
        with graph.inserting_before(node):
            found = emit_call(graph, aten.select.int, tensor, axis, index)
    node.replace_all_uses_with(found)
    graph.erase_node(node)
    if found is not row:
        _read_through(graph, found)
    return True
