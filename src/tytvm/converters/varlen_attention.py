"""Attention of packed sequences: one kernel packs queries, keys and values where they are found, one attends."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from itertools import pairwise

import torch
from tvm import relax

from tyllm_base.errors import UnsupportedError
from tytvm.converters.consumers import requested_encoding
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operands.encoding import FLOAT32
from tytvm.kernels.operands.packed_sequences import PackedSequences
from tytvm.kernels.operands.qkv_source import QkvSource
from tytvm.kernels.operators import VarlenAttention, VarlenPack
from tytvm.weights import TensorSpec

aten = torch.ops.aten


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(q [B,H,S,D], k [B,KH,S,D], v [B,KH,S,Dv], bounds?, scale) → [B,S,H,Dv].

    Raises:
        UnsupportedError: the bounds are computed by the program, or are none of S tokens.
    """
    q, k, v, bounds, scale = node.args
    (batch, heads, tokens, width), (_, kv_heads, _, v_width) = q.meta["val"].shape, v.meta["val"].shape
    lengths = [tokens] if bounds is None else _lengths(emitter, bounds, tokens)
    tiled = emitter.kernels.rounds_products
    shape = PackedSequences(tuple(lengths * batch), heads, kv_heads, width, v_width, scale, tiled)
    source, tensors = _source(emitter, [q, k, v], shape, tokens)
    rows, tasks = relax.const(shape.token_rows()), relax.const(shape.tasks())
    pack = emitter.kernels.choose(VarlenPack(shape, source))
    packed = emitter.call(pack, [*tensors, rows], *(TensorSpec(*each) for each in shape.packed()))
    out = (batch * tokens, heads * v_width)
    encoding = requested_encoding(emitter, node, out[1])
    choice = emitter.kernels.find(VarlenAttention(shape, encoding))
    if choice is None:
        encoding = FLOAT32
        choice = emitter.kernels.choose(VarlenAttention(shape))
    (result,) = emitter.call_encoded(choice, [*packed, rows, tasks], [], encoding, out)
    return emitter.reshape(result, tuple(node.meta["val"].shape))


def _lengths(emitter: Emitter, bounds: torch.fx.Node, tokens: int) -> list[int]:
    """The length of each sequence in tokens."""
    value = emitter.graph.capture.constants.get(bounds.name)
    if value is None or value.is_meta:
        raise UnsupportedError(
            f"The bounds of packed sequences, {bounds}, are computed; only constants can be compiled."
        )
    edges = [int(edge) for edge in value.tolist()]
    lengths = [b - a for a, b in pairwise(edges)]
    if not lengths or edges[0] != 0 or edges[-1] != tokens or min(lengths) < 0:
        raise UnsupportedError(f"The packed sequences {edges} of an attention do not cover its {tokens} tokens.")
    return lengths


def _source(
    emitter: Emitter, parts: list[torch.fx.Node], shape: PackedSequences, tokens: int
) -> tuple[QkvSource, list[Value]]:
    """Where queries, keys and values are read, behind the views that the graph has of them."""
    rows = [_before_transpose(node) for node in parts]
    fused = _fused_qkv(parts, rows)
    if fused is not None:
        source = QkvSource(tokens, fused=True, rotated=bool(fused.tables))
        nodes = [fused.qkv, *fused.tables]
    else:
        source = QkvSource(tokens, tuple(row is not None for row in rows))  # type: ignore[arg-type]
        nodes = [row or node for row, node in zip(rows, parts, strict=True)]
    shapes = [extents for extents, _ in source.tensors(shape).values()]
    return source, [emitter.reshape(emitter.env[node], extents) for node, extents in zip(nodes, shapes, strict=True)]


@dataclass(frozen=True)
class _FusedQkv:
    """One tensor [token, 3, head, input], and the cosines and sines that queries and keys are rotated by, if any."""

    qkv: torch.fx.Node
    tables: tuple[torch.fx.Node, ...]


def _fused_qkv(parts: list[torch.fx.Node], rows: list[torch.fx.Node | None]) -> _FusedQkv | None:
    """The tensor that all three are parts of, if there is one."""
    ends = [row or node for row, node in zip(rows, parts, strict=True)]
    rotated = [_before_rope(end) for end in ends[:2]]
    tables: tuple[torch.fx.Node, ...] = ()
    if None not in rotated:
        (q, *tables_of_q), (k, *tables_of_k) = rotated  # type: ignore[misc]
        if tables_of_q != tables_of_k:
            return None
        ends, tables = [q, k, ends[2]], tuple(tables_of_q)
    found = [_slice_of_fused(end) for end in ends]
    if None in found or len({each[0] for each in found if each}) != 1:
        return None
    return _FusedQkv(found[0][0], tables) if [each[1] for each in found if each] == [0, 1, 2] and found[0] else None


def _before_transpose(node: torch.fx.Node) -> torch.fx.Node | None:
    """The tensor [B,S,H,D] or [S,H,D] that a transpose brought the heads to the front of."""
    if node.target is aten.unsqueeze.default and node.args[1] % 4 == 0:
        inner = node.args[0]
        is_turn = inner.target is aten.transpose.int and {axis % 3 for axis in inner.args[1:]} == {0, 1}
        return inner.args[0] if is_turn else None
    is_turn = node.target is aten.transpose.int and {axis % 4 for axis in node.args[1:]} == {1, 2}
    is_turn |= node.target is aten.permute.default and [axis % 4 for axis in node.args[1]] == [0, 2, 1, 3]
    return node.args[0] if is_turn else None


def _before_rope(node: torch.fx.Node) -> tuple[torch.fx.Node, ...] | None:
    """The tensor [S,H,D] that was rotated by positions, and their cosines and sines."""
    is_rope = node.target is torch.ops.tytvm.rope.default and node.meta["val"].ndim == 3
    return tuple(node.args) if is_rope else None


def _slice_of_fused(node: torch.fx.Node) -> tuple[torch.fx.Node, int] | None:
    """The tensor [S,3,H,D] or [B,S,3,H,D] that a query, key or value is a part of, and which."""
    if node.target is operator.getitem and node.args[0].target is aten.unbind.int:
        (parts, number), axis = (node.args[0].args[0], node.args[1]), (*node.args[0].args, 0)[1]
    elif node.target is aten.select.int:
        parts, axis, number = node.args
    else:
        return None
    if axis != 0 or parts.target is not aten.permute.default:
        return None
    source, order = parts.args
    is_fused = list(order) in ([1, 0, 2, 3], [2, 0, 3, 1, 4]) and source.meta["val"].shape[order[0]] == 3
    return (source, number) if is_fused else None
