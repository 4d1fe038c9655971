"""Some columns of each row by their numbers, read or filled: what a router does with the experts that it chose."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from tvm import relax

from tytvm.emitter import Emitter, Value
from tytvm.kernels.operators import FillColumns, GatherColumns
from tytvm.weights import TensorSpec

Fallback = Callable[[torch.fx.Node], Value]


def gather(emitter: Emitter, fallback: Fallback, node: torch.fx.Node) -> Value:
    """(x [..., width], axis, index [..., count]) → [..., count], along the last axis; TVM's own along others."""
    x, axis, index = node.args[:3]
    if not _are_rows(x, axis, index):
        return fallback(node)
    (rows, width), (_, count) = _sizes(x), _sizes(index)
    choice = emitter.kernels.choose(GatherColumns(rows, width, count))
    found = emitter.call(choice, _arguments(emitter, x, index), TensorSpec((rows, count), "float32"))
    return emitter.reshape(found, tuple(node.meta["val"].shape))


def fill(emitter: Emitter, fallback: Fallback, node: torch.fx.Node) -> Value:
    """(x [..., width], axis, index [..., count], value) → x with the value there; TVM's own along another axis."""
    x, axis, index, value = node.args[:4]
    if not _are_rows(x, axis, index):
        return fallback(node)
    (rows, width), (_, count) = _sizes(x), _sizes(index)
    choice = emitter.kernels.choose(FillColumns(rows, width, count, float(value)))
    filled = emitter.call(choice, _arguments(emitter, x, index), TensorSpec((rows, width), "float32"))
    return emitter.reshape(filled, tuple(node.meta["val"].shape))


def _are_rows(x: torch.fx.Node, axis: int, index: torch.fx.Node) -> bool:
    """Whether rows of float32 have numbers of columns of their own."""
    own, others = x.meta["val"], index.meta["val"]
    return own.dtype == torch.float32 and axis in (-1, own.ndim - 1) and own.shape[:-1] == others.shape[:-1]


def _sizes(node: torch.fx.Node) -> tuple[int, int]:
    *rows, width = node.meta["val"].shape
    return math.prod(rows), width


def _arguments(emitter: Emitter, *nodes: torch.fx.Node) -> list[relax.Expr]:
    """The nodes' values as matrices."""
    return [emitter.reshape(emitter.env[node], _sizes(node)) for node in nodes]
