"""Sharding specs: along which axis a value is divided over dies, and how each operator hands that on.

What is divided are units: the heads of attention, or the inner channels of an MLP. A value has its U units along one
axis, as so many blocks of U units each: queries, keys and values in one weight are three blocks. A reshape leaves the
order of the elements, so the number of blocks in the whole value tells where the units are after it.
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
class ShardingSpec:
    """How a value is divided: the units lie along `axis`, which is `blocks` blocks of all units one after the other."""

    axis: int
    blocks: int = 1

    def extent(self, shape: Sequence[int]) -> int:
        """Elements of one block along the axis, for a value of that shape; 0 where the blocks do not divide it."""
        return shape[self.axis] // self.blocks if shape[self.axis] % self.blocks == 0 else 0

    def total_blocks(self, shape: Sequence[int]) -> int:
        """Blocks in the whole value, counted through all axes before this one."""
        return math.prod(shape[: self.axis]) * self.blocks


def spec_with_blocks(shape: Sequence[int], blocks: int) -> ShardingSpec | None:
    """The spec of a value of that shape with so many blocks in all; None where they do not lie along one axis."""
    for axis in reversed(range(len(shape))):
        outer = math.prod(shape[:axis])
        if blocks % outer == 0:
            spec = ShardingSpec(axis, blocks // outer)
            return spec if spec.extent(shape) > 1 else None
    return None


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """A value's shape; of several values that one operator cuts a value into, the whole's."""
    if isinstance(node.meta["val"], list | tuple):
        return shape_of(node.args[0])
    return tuple(node.meta["val"].shape)


OperandSpecs = dict[fx.Node, ShardingSpec]
"""The specs of the operands that are divided; one that is not named is whole on every die."""
Rule = Callable[[fx.Node, ShardingSpec], OperandSpecs | None]
"""Node and spec of its value → specs of its operands; None where its value cannot be divided so."""


def operand_specs(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    """How a node's operands must be divided for its value to be divided by `spec`; None where no rule says so."""
    rule = RULES.get(node.target)
    return rule(node, spec) if rule else None


def result_specs(node: fx.Node, operand: fx.Node, of: ShardingSpec) -> Iterator[ShardingSpec]:
    """How a node's value may be divided, if an operand is divided by `of`; the likeliest first."""
    shape, seen = shape_of(node), set()
    candidates = [ShardingSpec(axis, of.blocks) for axis in range(len(shape))]
    moved = spec_with_blocks(shape, of.total_blocks(shape_of(operand)))
    count = len(operand.meta["val"]) if isinstance(operand.meta["val"], list | tuple) else 1
    candidates += [ShardingSpec(axis, of.blocks // count) for axis in range(len(shape)) if of.blocks % count == 0]
    for spec in [*([moved] if moved else []), *candidates]:
        if spec not in seen and spec.extent(shape) > 1:
            seen.add(spec)
            if (operand_specs(node, spec) or {}).get(operand) == of:
                yield spec


def _elementwise(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    """Operands that are not broadcast along the axis are divided as the result is."""
    shape, found = shape_of(node), {}
    for operand in node.all_input_nodes:
        own = shape_of(operand)
        axis = spec.axis - len(shape) + len(own)
        if axis >= 0 and own[axis] != 1:
            found[operand] = ShardingSpec(axis, spec.blocks)
    return found


def _reshape(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    found = spec_with_blocks(shape_of(node.args[0]), spec.total_blocks(shape_of(node)))
    return {node.args[0]: found} if found else None


def _permute(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    x, order = node.args
    return {x: ShardingSpec(order[spec.axis] % len(order), spec.blocks)}


def _transpose(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    x, first, second = node.args
    order = list(range(len(shape_of(x))))
    order[first], order[second] = order[second], order[first]
    return {x: ShardingSpec(order[spec.axis], spec.blocks)}


def _along(number: int) -> Rule:
    """An operator that works along one axis, its argument of that number, which must not be the divided one."""

    def rule(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
        axes = complete(node.target, node.args, node.kwargs)[number]
        rank = len(shape_of(node))
        along = {axis % rank for axis in (axes if isinstance(axes, list | tuple) else [axes])}
        return None if spec.axis in along else dict.fromkeys(node.all_input_nodes, spec)

    return rule


def _getitem(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    """One of the count that a value was cut into."""
    source = node.args[0]
    values = complete(source.target, source.args, source.kwargs) if source.target in SPLITS else None
    if values is None:
        return None
    axis = (values[1] if source.target is aten.unbind.int else values[2]) % len(shape_of(source))
    if source.target is aten.unbind.int:
        return {source: ShardingSpec(spec.axis + (spec.axis >= axis), spec.blocks)}
    if spec.axis != axis:
        return {source: spec}
    sizes = {each.shape[axis] for each in source.meta["val"]}
    return {source: ShardingSpec(axis, spec.blocks * len(source.meta["val"]))} if len(sizes) == 1 else None


def _splits(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    return {node.args[0]: spec}


def _attention(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    """By heads: queries, keys and values are divided alike, a mask by heads too if it has them."""
    q, k, v, *_ = node.args
    mask = complete(node.target, node.args, node.kwargs)[3]
    heads = len(shape_of(node)) - 3
    if spec.axis != heads or heads < 0:
        return None
    found = {x: ShardingSpec(len(shape_of(x)) - 3, spec.blocks) for x in (q, k, v)}
    if isinstance(mask, fx.Node) and mask.meta["val"].ndim >= 3 and shape_of(mask)[-3] != 1:
        found[mask] = ShardingSpec(len(shape_of(mask)) - 3, spec.blocks)
    return found


def _packed_attention(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    """Attention [B,S,H,Dv] of packed sequences, of queries, keys and values [B,H,S,D]."""
    return {x: ShardingSpec(1, spec.blocks) for x in node.args[:3]} if spec.axis == 2 else None


def _matmul(node: fx.Node, spec: ShardingSpec) -> OperandSpecs | None:
    """By an axis over which there is a product for each element."""
    rank = len(shape_of(node))
    if spec.axis >= rank - 2:
        return None
    found = {}
    for x in node.args:
        axis = spec.axis - rank + len(shape_of(x))
        if axis >= 0 and shape_of(x)[axis] != 1:
            found[x] = ShardingSpec(axis, spec.blocks)
    return found


SPLITS = {aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int}
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
    **dict.fromkeys(SPLITS, _splits),
    aten.permute.default: _permute,
    aten.transpose.int: _transpose,
    aten.softmax.int: _along(1),
    aten._softmax.default: _along(1),
    aten.cat.default: _along(1),
    aten.slice.Tensor: _along(1),
    aten.scaled_dot_product_attention.default: _attention,
    torch.ops.tytvm.segment_attention.default: _packed_attention,
    aten.matmul.default: _matmul,
    aten.bmm.default: _matmul,
}
