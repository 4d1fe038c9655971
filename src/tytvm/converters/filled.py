"""Values that are filled in by a mask, or everywhere: TVM's own converters make a `full` that it cannot lower."""

from __future__ import annotations

import numpy as np
import torch
from tvm import relax

from tytvm.emitter import Emitter, Value

DTYPES = {torch.float32: "float32", torch.int64: "int64", torch.bool: "bool"}


def masked_fill(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(x [...], mask bool, value) → x with the value where the mask is true."""
    x, mask, value = node.args
    x_value = emitter.env[x]
    filling = relax.const(np.asarray(value, str(x_value.ty.dtype.dtype)))
    return emitter.emit(relax.op.where(emitter.env[mask], filling, x_value))


def like(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(x, …) → zeros or ones of x's shape, a constant."""
    made = node.meta["val"]
    value = 1 if node.target is torch.ops.aten.ones_like.default else 0
    return emitter.emit(relax.const(np.full(tuple(made.shape), value, DTYPES[made.dtype])))
