"""LayerNorm over the last axis with weight and bias, of one term or of a sum; written as its consumers request it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from tytvm.converters.consumers import requested_row_encoding
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operators import LayerNorm
from tytvm.rewrites.pattern import complete
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, otherwise: Callable[[torch.fx.Node], Value], node: torch.fx.Node) -> Value:
    """(x [..., H], [H], weight [H], bias [H], eps) → [..., H]; TVM does any other."""
    if node in emitter.env:  # made by the sum that it is of
        return emitter.env[node]
    if not is_norm(node):
        return otherwise(node)
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    return emit(emitter, node, [emitter.reshape(emitter.env[node.args[0]], rows)], rows)[-1]


def emit(emitter: Emitter, node: torch.fx.Node, terms: list[Value], rows: tuple[int, int]) -> list[Value]:
    """The norm of one term, or the sum of two terms and its norm; each term of shape `rows`."""
    weight, bias, eps = arguments(node)
    encoding = requested_row_encoding(emitter, node)
    has_sum = len(terms) == 2
    choice = emitter.kernels.choose(LayerNorm(*rows, eps, encoding, has_sum))
    sums = [TensorSpec(rows, "float32")] if has_sum else []
    inputs = [*terms, emitter.env[weight], emitter.env[bias]]
    *total, norm = emitter.call_encoded(choice, inputs, sums, encoding, rows)
    return [*total, emitter.reshape(norm, tuple(node.meta["val"].shape))]


def is_norm(node: torch.fx.Node) -> bool:
    """Whether a node is a LayerNorm over the last axis with weight and bias."""
    if node.target is not torch.ops.aten.layer_norm.default or len(node.args[1]) != 1:
        return False
    return None not in arguments(node)[:2]


def arguments(node: torch.fx.Node) -> tuple[torch.fx.Node | None, torch.fx.Node | None, float]:
    """Weight, bias and epsilon."""
    _, _, weight, bias, eps, _ = complete(node.target, node.args, node.kwargs)
    return weight, bias, eps
