"""One index of an axis: a slice. TVM gathers, and reads outside for an index that is counted from the end."""

from __future__ import annotations

import torch
from tvm import relax

from tytvm.emitter import Emitter, Value


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(x, axis, index) → x without that axis."""
    x, axis, index = node.args
    shape = x.meta["val"].shape
    start = index % shape[axis]
    part = emitter.emit(relax.op.strided_slice(emitter.env[x], [axis % len(shape)], [start], [start + 1]))
    return emitter.reshape(part, tuple(node.meta["val"].shape))
