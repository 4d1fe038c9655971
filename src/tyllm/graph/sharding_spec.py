"""Places: along which axis of each value in a graph the same units (heads, or channels) lie, by operator.

A value that is divided into U units has them along one axis, as so many blocks of U units each: queries, keys and
values in one weight are three blocks. A reshape leaves the order of the elements, so the number of blocks before it
says where the units are after it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten


@dataclass(frozen=True)
class Place:
    """Where units lie in a value: along `axis`, which is `blocks` blocks of them."""

    axis: int
    blocks: int = 1

    def extent(self, shape: Sequence[int]) -> int:
        """Elements of a block along the axis; 0 where the blocks do not divide it."""
        return shape[self.axis] // self.blocks if shape[self.axis] % self.blocks == 0 else 0

    def before(self, shape: Sequence[int]) -> int:
        """Blocks in the whole value, in memory's order."""
        return math.prod(shape[: self.axis]) * self.blocks


def placed(shape: Sequence[int], before: int) -> Place | None:
    """The place with so many blocks in the whole value; None where they do not lie along one axis."""
    for axis in reversed(range(len(shape))):
        outer = math.prod(shape[:axis])
        if before % outer == 0:
            place = Place(axis, before // outer)
            return place if place.extent(shape) > 1 else None
    return None


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """A value's shape; of several values that one operator cuts a value into, the whole's."""
    if isinstance(node.meta["val"], list | tuple):
        return shape_of(node.args[0])
    return tuple(node.meta["val"].shape)


Operands = dict[fx.Node, Place]
"""Which operands are divided, and where; one that is not named lies whole on every die."""
Rule = Callable[[fx.Node, Place], Operands | None]


def operands(node: fx.Node, place: Place) -> Operands | None:
    """What a node's operands must be for its value to lie at `place`; None where no rule says so."""
    rule = RULES.get(node.target)
    return rule(node, place) if rule else None


def places(node: fx.Node, operand: fx.Node, of: Place) -> Iterator[Place]:
    """Where a node's value may lie, if an operand lies at `of`."""
    shape, seen = shape_of(node), set()
    candidates = [Place(axis, of.blocks) for axis in range(len(shape))]
    moved = placed(shape, of.before(shape_of(operand)))
    pieces = len(operand.meta["val"]) if isinstance(operand.meta["val"], list | tuple) else 1
    candidates += [Place(axis, of.blocks // pieces) for axis in range(len(shape)) if of.blocks % pieces == 0]
    for place in [*([moved] if moved else []), *candidates]:
        if place not in seen and place.extent(shape) > 1:
            seen.add(place)
            if (operands(node, place) or {}).get(operand) == of:
                yield place


def _elementwise(node: fx.Node, place: Place) -> Operands | None:
    """Operands that are not broadcast along the axis are divided as the result is."""
    shape, found = shape_of(node), {}
    for operand in node.all_input_nodes:
        own = shape_of(operand)
        axis = place.axis - len(shape) + len(own)
        if axis >= 0 and own[axis] != 1:
            found[operand] = Place(axis, place.blocks)
    return found


def _reshape(node: fx.Node, place: Place) -> Operands | None:
    found = placed(shape_of(node.args[0]), place.before(shape_of(node)))
    return {node.args[0]: found} if found else None


def _permute(node: fx.Node, place: Place) -> Operands | None:
    x, order = node.args
    return {x: Place(order[place.axis] % len(order), place.blocks)}


def _transpose(node: fx.Node, place: Place) -> Operands | None:
    x, first, second = node.args
    order = list(range(len(shape_of(x))))
    order[first], order[second] = order[second], order[first]
    return {x: Place(order[place.axis], place.blocks)}


def _along(number: int) -> Rule:
    """An operator that works along one axis, its argument of that number, which must not be the divided one."""

    def rule(node: fx.Node, place: Place) -> Operands | None:
        axes = complete(node.target, node.args, node.kwargs)[number]
        rank = len(shape_of(node))
        along = {axis % rank for axis in (axes if isinstance(axes, list | tuple) else [axes])}
        return None if place.axis in along else dict.fromkeys(node.all_input_nodes, place)

    return rule


def _getitem(node: fx.Node, place: Place) -> Operands | None:
    """One of the pieces that a value was cut into."""
    source = node.args[0]
    values = complete(source.target, source.args, source.kwargs) if source.target in PIECES else None
    if values is None:
        return None
    axis = (values[1] if source.target is aten.unbind.int else values[2]) % len(shape_of(source))
    if source.target is aten.unbind.int:
        return {source: Place(place.axis + (place.axis >= axis), place.blocks)}
    if place.axis != axis:
        return {source: place}
    sizes = {piece.shape[axis] for piece in source.meta["val"]}
    return {source: Place(axis, place.blocks * len(source.meta["val"]))} if len(sizes) == 1 else None


def _pieces(node: fx.Node, place: Place) -> Operands | None:
    return {node.args[0]: place}


def _attention(node: fx.Node, place: Place) -> Operands | None:
    """By heads: queries, keys and values are divided alike, a mask by heads too if it has them."""
    q, k, v, *_ = node.args
    mask = complete(node.target, node.args, node.kwargs)[3]
    heads = len(shape_of(node)) - 3
    if place.axis != heads or heads < 0:
        return None
    found = {x: Place(len(shape_of(x)) - 3, place.blocks) for x in (q, k, v)}
    if isinstance(mask, fx.Node) and mask.meta["val"].ndim >= 3 and shape_of(mask)[-3] != 1:
        found[mask] = Place(len(shape_of(mask)) - 3, place.blocks)
    return found


def _segments(node: fx.Node, place: Place) -> Operands | None:
    """Attention [B,S,H,Dv] within segments, of queries, keys and values [B,H,S,D]."""
    return {x: Place(1, place.blocks) for x in node.args[:3]} if place.axis == 2 else None


def _matmul(node: fx.Node, place: Place) -> Operands | None:
    """By an axis over which there is a product for each element."""
    rank = len(shape_of(node))
    if place.axis >= rank - 2:
        return None
    found = {}
    for x in node.args:
        axis = place.axis - rank + len(shape_of(x))
        if axis >= 0 and shape_of(x)[axis] != 1:
            found[x] = Place(axis, place.blocks)
    return found


PIECES = {aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int}
ELEMENTWISE = (
    aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.add.Scalar, aten.sub.Scalar,
    aten.mul.Scalar, aten.div.Scalar, aten.neg.default, aten.relu.default, aten.gelu.default, aten.silu.default,
    aten.sigmoid.default, aten.tanh.default, aten.exp.default, aten.erf.default, aten.sqrt.default, aten.rsqrt.default,
    aten.pow.Tensor_Scalar, aten.leaky_relu.default, aten.elu.default, aten.hardswish.default, aten.hardtanh.default,
    aten.hardsigmoid.default, aten.softplus.default, aten.clamp.default, aten.maximum.default, aten.minimum.default,
    aten.mish.default, aten.relu6.default, aten.clone.default, aten.contiguous.default, aten.to.dtype,
    aten._to_copy.default, aten.alias.default, aten.detach.default, aten.expand.default, aten.masked_fill.Scalar,
    aten.where.self, aten.square.default, aten.abs.default, aten.sin.default, aten.cos.default,
)  # fmt: skip
RULES: dict[Any, Rule] = {
    operator.getitem: _getitem,
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys((aten.reshape.default, aten.unsqueeze.default, aten.squeeze.dim, aten.squeeze.dims), _reshape),
    **dict.fromkeys(PIECES, _pieces),
    aten.permute.default: _permute,
    aten.transpose.int: _transpose,
    aten.softmax.int: _along(1),
    aten._softmax.default: _along(1),
    aten.cat.default: _along(1),
    aten.slice.Tensor: _along(1),
    aten.scaled_dot_product_attention.default: _attention,
    torch.ops.tytvm.segment_attention.default: _segments,
    aten.matmul.default: _matmul,
    aten.bmm.default: _matmul,
}
