"""What the readers of a value want: where all are linear layers of one kind, the value is written in their encoding."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tytvm.emitter import Emitter
from tytvm.kernels.rowwise.encoding import FLOAT32, Encoding
from tytvm.weights import W4, W16

aten = torch.ops.aten
RESHAPES = {aten.reshape.default, aten.view.default, aten.unsqueeze.default, aten.squeeze.dim}


def wanted(emitter: Emitter, node: torch.fx.Node) -> Encoding:
    """As `asked`, if a row is a whole number of the encoding's units, which kernels that go by rows write; float32."""
    encoding, width = asked(emitter, node), node.meta["val"].shape[-1]
    return FLOAT32 if width % encoding.unit(width) else encoding


def asked(emitter: Emitter, node: torch.fx.Node, width: int | None = None) -> Encoding:
    """The one encoding in which all readers take a node's rows, of its last axis or `width`; float32 if they differ."""
    width = width or node.meta["val"].shape[-1]
    rows = node.meta["val"].numel() // width
    encodings = {_wanted_by(emitter, user, rows) for user in _readers(node, width)}
    return encodings.pop() if len(encodings) == 1 else FLOAT32


def _readers(node: torch.fx.Node, width: int) -> Iterator[torch.fx.Node]:
    """Users, those of other shapes of the same rows included."""
    for user in node.users:
        if user.target in RESHAPES and user.meta["val"].shape[-1] == width:
            yield from _readers(user, width)
        else:
            yield user


def _wanted_by(emitter: Emitter, user: torch.fx.Node, rows: int) -> Encoding:
    if user.target is not aten.linear.default or user.args[1] not in emitter.weight_names:
        return FLOAT32
    weight = emitter.format_of(user.args[1])
    return emitter.kernels.input_encoding(rows, weight) if isinstance(weight, W4 | W16) else FLOAT32
