"""Complex numbers become their real and imaginary parts: rotary pairs that a model multiplies as complex numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call

aten = torch.ops.aten
Emit: TypeAlias = Callable[..., fx.Node]
Parts: TypeAlias = tuple[fx.Node, fx.Node]
"""Nodes of the real and the imaginary part, each of the complex node's shape."""

MOVES = {
    aten.unsqueeze.default, aten.squeeze.dim, aten.slice.Tensor, aten.select.int, aten.index.Tensor,
    aten.index_select.default, aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.expand.default,
    aten.transpose.int, aten.permute.default, aten.clone.default, aten.alias.default, aten.detach.default,
    aten.to.device, aten.cat.default, aten.neg.default,
}  # fmt: skip
"""Operators that do to a complex number what they do to each of its parts."""
ARITHMETIC = {aten.polar.default, aten.view_as_complex.default, aten.mul.Tensor, aten.mul.Scalar}


def split_complex(graph: fx.Graph) -> int:
    """Replace the complex nodes in place; how many there were. With any that is not known all stay as they are."""
    found = [node for node in graph.nodes if _is_complex(node)]
    readers = [node for node in graph.nodes if node.target is aten.view_as_real.default]
    read = {user for node in found for user in node.users}
    if not all(_is_known(node) for node in found) or not read <= {*found, *readers}:
        return 0
    parts: dict[fx.Node, Parts] = {}
    for node in [node for node in graph.nodes if node in {*found, *readers}]:
        with graph.inserting_before(node):
            if node in found:
                parts[node] = _parts(partial(emit_call, graph), node, parts)
            else:
                pair = emit_call(graph, aten.stack.default, list(parts[node.args[0]]), -1)
                node.replace_all_uses_with(pair)
    for node in reversed([node for node in graph.nodes if node in {*found, *readers}]):
        graph.erase_node(node)
    return len(found)


def _is_complex(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_complex()


def _is_known(node: fx.Node) -> bool:
    return not node.kwargs and (node.target in MOVES or node.target in ARITHMETIC)


def _parts(emit: Emit, node: fx.Node, parts: dict[fx.Node, Parts]) -> Parts:
    """The parts of a complex node whose complex operands have theirs in `parts`."""
    if node.target is aten.polar.default:
        length, angle = node.args
        cos, sin = (emit(turn, angle) for turn in (aten.cos.default, aten.sin.default))
        return emit(aten.mul.Tensor, length, cos), emit(aten.mul.Tensor, length, sin)
    if node.target is aten.view_as_complex.default:
        return emit(aten.select.int, node.args[0], -1, 0), emit(aten.select.int, node.args[0], -1, 1)
    if node.target in (aten.mul.Tensor, aten.mul.Scalar):
        return _product(emit, node, parts)
    real, imaginary = ({each: pair[part] for each, pair in parts.items()} for part in (0, 1))
    moved = (fx.node.map_arg(node.args, lambda each, own=own: own.get(each, each)) for own in (real, imaginary))
    first, second = (emit(node.target, *args) for args in moved)
    return first, second


def _product(emit: Emit, node: fx.Node, parts: dict[fx.Node, Parts]) -> Parts:
    """(a + b·i)(c + d·i) = (ac − bd) + (ad + bc)·i, or each part by a real number."""
    left, right = node.args
    if left in parts and right in parts:
        (a, b), (c, d) = parts[left], parts[right]
        ac, bd, ad, bc = (emit(aten.mul.Tensor, *pair) for pair in ((a, c), (b, d), (a, d), (b, c)))
        return emit(aten.sub.Tensor, ac, bd), emit(aten.add.Tensor, ad, bc)
    of, factor = (left, right) if left in parts else (right, left)
    real, imaginary = parts[of]
    return emit(node.target, real, factor), emit(node.target, imaginary, factor)
