"""A tensor that is written slice by slice (multi-head latent attention joins heads so) is the slices side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten
Written: TypeAlias = "tuple[fx.Node, int, int]"
"""What was written, and from which place of the axis to which."""


def join_slices(graph: fx.Graph) -> int:
    """Join in place where every place of an axis was written; how often."""
    made = sum(_join(graph, node) for node in reversed(list(graph.nodes)))  # the last write first: it has seen all
    graph.eliminate_dead_code()
    return made


def _join(graph: fx.Graph, node: fx.Node) -> bool:
    """Join what a node and those that it writes over have written, if that is all of the tensor."""
    if node.target is not aten.slice_scatter.default:
        return False
    axis = _axis(node)
    size = node.meta["val"].shape[axis]
    parts: dict[tuple[int, int], fx.Node] = {}
    for source, start, stop in _writes(node, axis):
        parts.setdefault((start, stop), source)  # the last write comes first
    spans = sorted(parts)
    if [0, *(stop for _, stop in spans)] != [*(start for start, _ in spans), size]:
        return False
    with graph.inserting_before(node):
        joined = emit_call(graph, aten.cat.default, [parts[span] for span in spans], axis)
    node.replace_all_uses_with(joined)
    graph.erase_node(node)
    return True


def _writes(node: fx.Node, axis: int) -> Iterator[Written]:
    """What was written along an axis, the last first."""
    while node.target is aten.slice_scatter.default and _axis(node) == axis:
        base, source, _, start, stop, step = complete(node.target, node.args, node.kwargs)
        size = node.meta["val"].shape[axis]
        first, last = (_place(0 if start is None else start, size), _place(size if stop is None else stop, size))
        if step != 1 or source.meta["val"].shape != _slice_shape(node, axis, last - first):
            return
        yield source, first, last
        node = base


def _axis(node: fx.Node) -> int:
    axis: int = complete(node.target, node.args, node.kwargs)[2] % node.meta["val"].ndim
    return axis


def _place(given: int, size: int) -> int:
    return max(0, min(given + size if given < 0 else given, size))


def _slice_shape(node: fx.Node, axis: int, length: int) -> torch.Size:
    shape = node.meta["val"].shape
    return torch.Size([*shape[:axis], length, *shape[axis + 1 :]])
