"""The largest of each row: what a router chooses experts by."""

from __future__ import annotations

import math

import torch

from tyllm_base.errors import UnsupportedError
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operators import TopK
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> list[Value]:
    """(x [..., width], count, axis?, largest?, sorted?) → values and indices, both [..., count].

    Raises:
        UnsupportedError: the smallest are asked for, or those along another axis than the last.
    """
    x, count, axis, largest = (*node.args, *(-1, True)[len(node.args) - 2 :])[:4]
    shape = tuple(x.meta["val"].shape)
    if not largest or axis not in (-1, len(shape) - 1):
        raise UnsupportedError(
            "A top-k of the smallest, or not along the last axis, cannot be compiled; no setting avoids it."
        )
    rows = math.prod(shape[:-1])
    made = [TensorSpec((rows, count), dtype) for dtype in ("float32", "int64")]
    choice = emitter.kernels.choose(TopK(rows, shape[-1], count))
    values = emitter.call(choice, [emitter.reshape(emitter.env[x], (rows, shape[-1]))], *made)
    return [emitter.reshape(value, (*shape[:-1], count)) for value in values]
