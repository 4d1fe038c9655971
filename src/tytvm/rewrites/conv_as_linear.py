"""A convolution whose steps are as long as its kernel is a linear layer on patches that lie side by side.

So vision models embed their patches: of a whole image, or of patches that were cut before, one to a batch's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from tytvm.rewrites.pattern import complete

aten = torch.ops.aten
CONVOLUTIONS = {aten.conv1d.default: 1, aten.conv2d.default: 2, aten.conv3d.default: 3}
"""Operator → axes that the kernel moves along."""


def run(graph: fx.Graph) -> int:
    """Replace such convolutions in place, where their weight is a parameter; how many there were."""
    return sum(_replace(graph, node) for node in list(graph.nodes) if node.target in CONVOLUTIONS)


def _replace(graph: fx.Graph, node: fx.Node) -> bool:
    x, weight, bias, stride, padding, dilation, groups = complete(node.target, node.args, node.kwargs)
    kernel = list(weight.meta["val"].shape[2:])
    axes = CONVOLUTIONS[node.target]
    if x.meta["val"].ndim != axes + 2 or weight.op != "placeholder" or groups != 1 or _whole(stride, axes) != kernel:
        return False
    if any(n != 0 for n in _whole(padding, axes)) or any(n != 1 for n in _whole(dilation, axes)):
        return False
    # The weight's new shape comes first of all: whoever makes x asks how its reader's weight is stored.
    with graph.inserting_before(next(each for each in graph.nodes if each.op != "placeholder")):
        matrix = call(graph, aten.reshape.default, weight, [weight.meta["val"].shape[0], -1])
    with graph.inserting_before(node):
        counts = list(node.meta["val"].shape[2:])
        out = call(graph, aten.linear.default, _patches(graph, x, kernel, counts), matrix, bias)
        if set(counts) == {1}:
            out = call(graph, aten.reshape.default, out, list(node.meta["val"].shape))
        else:
            out = call(graph, aten.permute.default, out, [0, axes + 1, *range(1, axes + 1)])
    node.replace_all_uses_with(out)
    graph.erase_node(node)
    return True


def _patches(graph: fx.Graph, x: fx.Node, kernel: Sequence[int], counts: Sequence[int]) -> fx.Node:
    """Patches [B, …counts, C · kernel] of x [B, C, …]; what is left over at its ends belongs to none."""
    batch, channels, *sizes = x.meta["val"].shape
    axes = len(kernel)
    for axis, (size, taps, count) in enumerate(zip(sizes, kernel, counts, strict=True)):
        if size != taps * count:
            x = call(graph, aten.slice.Tensor, x, axis + 2, 0, taps * count)
    if set(counts) != {1}:
        pairs = [n for pair in zip(counts, kernel, strict=True) for n in pair]
        x = call(graph, aten.reshape.default, x, [batch, channels, *pairs])
        order = [0, *range(2, 2 * axes + 2, 2), 1, *range(3, 2 * axes + 2, 2)]
        x = call(graph, aten.permute.default, x, order)
        return call(graph, aten.reshape.default, x, [batch, *counts, -1])
    return call(graph, aten.reshape.default, x, [batch, -1])


def call(graph: fx.Graph, target: Any, *args: Any) -> fx.Node:
    """A node that calls an operator, with its value's shape and type."""
    node = graph.call_function(target, args)
    node.meta["val"] = target(*fx.node.map_arg(args, lambda source: source.meta["val"]))
    return node


def _whole(setting: Sequence[int], axes: int) -> list[int]:
    """A convolution's setting for each axis."""
    return [int(n) for n in setting] * (axes // len(setting))
