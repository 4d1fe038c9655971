"""Decompositions: operators that the compiler does not know, or not in every form, as some that it knows.

Each rule gives the node that stands for a node, or None where it leaves that node as it is.
"""

from __future__ import annotations

import torch
from torch import fx

from tyllm.graph.node_builder import NodeBuilder
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten
HIDDEN = 1e38
"""Taken from the scores that a mask hides; e to the power of what is left is 0."""


def _selection(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A row along an axis is a slice, which moves no data where the axis is the first."""
    if node.target is not aten.select.int:
        return None
    x, axis, index = node.args
    size = x.meta["val"].shape[axis]
    item = builder.call(aten.slice.Tensor, x, axis, index % size, index % size + 1)
    return builder.call(aten.reshape.default, item, list(node.meta["val"].shape))


def _choice(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A choice between values and a number fills the values where the number is chosen."""
    if node.target is aten.where.ScalarOther:
        condition, values, number = node.args
        condition = builder.call(aten.logical_not.default, condition)
    elif node.target is aten.where.ScalarSelf:
        condition, number, values = node.args
    else:
        return None
    made = builder.call(aten.masked_fill.Scalar, values, condition, number)
    same = (made.meta["val"].dtype, made.meta["val"].shape) == (node.meta["val"].dtype, node.meta["val"].shape)
    return made if same else None


def _mask(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A mask of attention as one that is added to the scores, of as many axes as they have."""
    if node.target is not aten.scaled_dot_product_attention.default:
        return None
    q, k, v, mask, *rest = complete(node.target, node.args, node.kwargs)
    if not isinstance(mask, fx.Node):
        return None
    added = mask
    if mask.meta["val"].dtype == torch.bool:
        counts = builder.call(aten.to.dtype, mask, torch.float32)
        added = builder.call(aten.mul.Tensor, builder.call(aten.sub.Tensor, counts, 1.0), HIDDEN)
    shape = list(mask.meta["val"].shape)
    missing = q.meta["val"].ndim - len(shape)
    if missing > 0:
        added = builder.call(aten.reshape.default, added, [1] * missing + shape)
    node.args, node.kwargs = (q, k, v, added), dict(zip(OTHER_ARGUMENTS, rest, strict=True))
    return None


OTHER_ARGUMENTS = ("dropout_p", "is_causal", "scale", "enable_gqa")


def _layer_norm(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A layer norm without a weight."""
    if node.target is not aten.layer_norm.default:
        return None
    x, shape, weight, bias, eps, _ = complete(node.target, node.args, node.kwargs)
    if weight is not None or bias is not None:
        return None
    return _normed(builder, x, list(range(-len(shape), 0)), eps)


def _group_norm(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A group norm: each group of channels of an image is one row."""
    if node.target is not aten.group_norm.default:
        return None
    x, groups, weight, bias, eps, _ = complete(node.target, node.args, node.kwargs)
    shape = list(x.meta["val"].shape)
    rows = builder.call(aten.reshape.default, x, [shape[0], groups, -1])
    made = builder.call(aten.reshape.default, _normed(builder, rows, [-1], eps), shape)
    for operator, each in ((aten.mul.Tensor, weight), (aten.add.Tensor, bias)):
        if each is not None:
            made = builder.call(operator, made, builder.call(aten.reshape.default, each, [-1] + [1] * (len(shape) - 2)))
    return made


def _normed(builder: NodeBuilder, x: fx.Node, axes: list[int], eps: float) -> fx.Node:
    """Mean 0 and variance 1 over some axes."""
    centered = builder.call(aten.sub.Tensor, x, builder.call(aten.mean.dim, x, axes, True))
    variance = builder.call(aten.mean.dim, builder.call(aten.mul.Tensor, centered, centered), axes, True)
    return builder.call(
        aten.mul.Tensor, centered, builder.call(aten.rsqrt.default, builder.call(aten.add.Scalar, variance, eps))
    )


def _glu(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A gated linear unit: one half of an axis, times the sigmoid of the other."""
    if node.target is not aten.glu.default:
        return None
    x, axis = complete(node.target, node.args, node.kwargs)
    size = x.meta["val"].shape[axis] // 2
    first, second = (builder.call(aten.slice.Tensor, x, axis, start, start + size) for start in (0, size))
    return builder.call(aten.mul.Tensor, first, builder.call(aten.sigmoid.default, second))


DECOMPOSITIONS = (_selection, _choice, _mask, _layer_norm, _group_norm, _glu)
