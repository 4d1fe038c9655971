"""The encoding that a value's consumers request: linear layers of one kind have it written as they read it."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tytvm.emitter import Emitter
from tytvm.kernels.operands.encoding import FLOAT32, Encoding
from tytvm.weights import W4, W16

aten = torch.ops.aten
RESHAPES = {aten.reshape.default, aten.view.default, aten.unsqueeze.default, aten.squeeze.dim}


def requested_row_encoding(emitter: Emitter, node: torch.fx.Node) -> Encoding:
    """As `requested_encoding`, for kernels that write rows by units: float32 where a row is no whole number of them."""
    encoding, width = requested_encoding(emitter, node), node.meta["val"].shape[-1]
    return FLOAT32 if width % encoding.unit(width) else encoding


def requested_encoding(emitter: Emitter, node: torch.fx.Node, width: int | None = None) -> Encoding:
    """The encoding in which all consumers read a node's rows, of its last axis or `width`; float32 if they differ."""
    width = width or node.meta["val"].shape[-1]
    rows = node.meta["val"].numel() // width
    encodings = {_requested_by(emitter, user, rows) for user in _consumers(node, width)}
    return encodings.pop() if len(encodings) == 1 else FLOAT32


def _consumers(node: torch.fx.Node, width: int) -> Iterator[torch.fx.Node]:
    """Users of a node, and those of other shapes of the same rows."""
    for user in node.users:
        if user.target in RESHAPES and user.meta["val"].shape[-1] == width:
            yield from _consumers(user, width)
        else:
            yield user


def _requested_by(emitter: Emitter, user: torch.fx.Node, rows: int) -> Encoding:
    if user.target is not aten.linear.default or user.args[1] not in emitter.weight_names:
        return FLOAT32
    weight = emitter.format_of(user.args[1])
    return emitter.kernels.input_encoding(rows, weight) if isinstance(weight, W4 | W16) else FLOAT32
