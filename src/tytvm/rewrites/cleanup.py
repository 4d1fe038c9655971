"""Nodes that change no value are removed: the program would copy what they return, and they hide patterns to fuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

from tytvm.rewrites.pattern import complete

aten = torch.ops.aten

# Each returns its first input's values; where shape and type are the same too, it returns that input.
REPEATS = {
    aten.to.dtype, aten.to.dtype_layout, aten.to.device, aten.to.other, aten.type_as.default, aten._to_copy.default,
    aten.clone.default, aten.contiguous.default, aten.alias.default, aten.detach.default, aten.lift_fresh_copy.default,
    aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.expand.default, aten.slice.Tensor,
}  # fmt: skip
VIEWS = {aten.view.default, aten._unsafe_view.default}

# The second operand that leaves the first as it is.
NEUTRAL = {
    aten.mul.Tensor: 1, aten.mul.Scalar: 1, aten.div.Tensor: 1, aten.div.Scalar: 1,
    aten.add.Tensor: 0, aten.add.Scalar: 0, aten.sub.Tensor: 0, aten.sub.Scalar: 0,
}  # fmt: skip


def remove_clutter(graph: fx.Graph) -> int:
    """Remove checks of types, nodes that return their input, and what nothing reads; the number of nodes gone."""
    before = len(graph.nodes)
    for node in list(graph.nodes):
        if node.target is aten._assert_tensor_metadata.default:
            graph.erase_node(node)
        elif (source := returned_input(node)) is not None:
            node.replace_all_uses_with(source)
            graph.erase_node(node)
        elif node.target in VIEWS:
            node.target = aten.reshape.default  # a tensor of the compiled program has no strides that a view could need
    graph.eliminate_dead_code()
    return before - len(graph.nodes)


def returned_input(node: fx.Node) -> fx.Node | None:
    """The input that `node` returns unchanged, of the same shape and type; None if it does anything else."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return None
    args = complete(node.target, node.args, node.kwargs)
    for source in filter(None, (rule(node.target, args) for rule in RULES)):
        if _type(source) is not None and _type(source) == _type(node):
            return source
    return None


def _repeated(target: OpOverload, args: Sequence[Any]) -> fx.Node | None:
    return args[0] if target in REPEATS else None


def _copied(target: OpOverload, args: Sequence[Any]) -> fx.Node | None:
    """What is copied over all of a tensor (an assignment in the model's code)."""
    return args[1] if target is aten.copy.default else None


def _idle_dropout(target: OpOverload, args: Sequence[Any]) -> fx.Node | None:
    if target is not aten.dropout.default:
        return None
    source, probability, training = args
    return source if probability == 0 or not training else None


def _neutral_operand(target: OpOverload, args: Sequence[Any]) -> fx.Node | None:
    """In x · 1, x / 1, x + 0 and x − 0, x (rope's attention_scaling, the scalings of Granite)."""
    if target not in NEUTRAL or not isinstance(args[1], int | float):
        return None
    return args[0] if args[1] == NEUTRAL[target] else None


def _lone_part(target: OpOverload, args: Sequence[Any]) -> fx.Node | None:
    """The one part of a `cat` whose other parts are empty (the unrotated rest where the whole head is rotated)."""
    if target is not aten.cat.default:
        return None
    parts = [part for part in args[0] if part.meta["val"].numel()]
    return parts[0] if len(parts) == 1 else None


RULES: tuple[Callable[[OpOverload, Sequence[Any]], fx.Node | None], ...] = (
    _repeated, _copied, _idle_dropout, _neutral_operand, _lone_part,
)  # fmt: skip


def _type(node: fx.Node) -> tuple[torch.Size, torch.dtype, torch.device] | None:
    """Shape, type and device of the node's tensor; None if it is no tensor."""
    value = node.meta.get("val")
    return (value.shape, value.dtype, value.device) if isinstance(value, torch.Tensor) else None
