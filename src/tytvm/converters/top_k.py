"""The largest of each row, one or several: what a router chooses experts by."""

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
            "The model computes a top-k of the smallest, or not along the last axis: no kernel does."
        )
    return _largest(emitter, x, count, (*shape[:-1], count))


def convert_max(emitter: Emitter, node: torch.fx.Node) -> list[Value]:
    """(x [..., width], axis, keeps_axis?) → the largest of each row and its place, both [...], or [..., 1].

    Raises:
        UnsupportedError: those along another axis than the last are asked for.
    """
    x, axis = node.args[:2]
    if axis not in (-1, x.meta["val"].ndim - 1):
        raise UnsupportedError("The model computes a maximum not along the last axis: no kernel does.")
    return _largest(emitter, x, 1, tuple(node.meta["val"][0].shape))


def _largest(emitter: Emitter, x: torch.fx.Node, count: int, shape: tuple[int, ...]) -> list[Value]:
    """The largest of each row of x and their places, both under `shape`."""
    *rows, width = x.meta["val"].shape
    matrix = (math.prod(rows), width)
    made = [TensorSpec((matrix[0], count), dtype) for dtype in ("float32", "int64")]
    choice = emitter.kernels.choose(TopK(*matrix, count))
    values = emitter.call(choice, [emitter.reshape(emitter.env[x], matrix)], *made)
    return [emitter.reshape(value, shape) for value in values]
