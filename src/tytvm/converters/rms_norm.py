"""RMSNorm, ours and torch's own operator of that name, of one term or of a sum; written as its consumers request it."""

from __future__ import annotations

import math

import torch

from tyllm_base.errors import UnsupportedError
from tytvm.converters.consumers import requested_row_encoding
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operators import RmsNorm
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(x [..., H], weight [H], eps) → [..., H].

    Raises:
        UnsupportedError: the norm is over several axes, or has no weight.
    """
    if node in emitter.env:  # made by the sum that it is of
        return emitter.env[node]
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    return emit(emitter, node, [emitter.reshape(emitter.env[node.args[0]], rows)], rows)[-1]


def emit(emitter: Emitter, node: torch.fx.Node, terms: list[Value], rows: tuple[int, int]) -> list[Value]:
    """The norm of one term, or the sum of two terms and its norm; each term of shape `rows`."""
    _, weight, eps = arguments(node)
    encoding = requested_row_encoding(emitter, node)
    has_sum = len(terms) == 2
    choice = emitter.kernels.choose(RmsNorm(*rows, eps, encoding, has_sum))
    sums = [TensorSpec(rows, "float32")] if has_sum else []
    *total, norm = emitter.call_encoded(choice, [*terms, emitter.env[weight]], sums, encoding, rows)
    return [*total, emitter.reshape(norm, tuple(node.meta["val"].shape))]


def is_norm(node: torch.fx.Node) -> bool:
    """Whether a node is an RMSNorm with a weight."""
    if node.target is torch.ops.aten.rms_norm.default:
        return len(node.args) > 2 and node.args[2] is not None and len(node.args[1]) == 1
    return bool(node.target is torch.ops.tytvm.rms_norm.default)


def arguments(node: torch.fx.Node) -> tuple[torch.fx.Node | None, torch.fx.Node | None, float]:
    """Input, weight and epsilon."""
    if node.target is torch.ops.tytvm.rms_norm.default:
        x, weight, eps = node.args
        return x, weight, eps
    x, axes, weight, eps = (*node.args, None, None)[:4]
    if len(axes) != 1 or weight is None:
        raise UnsupportedError(
            f"The model uses {node.target} over {list(axes)} with weight {weight}, which cannot be compiled."
        )
    return x, weight, torch.finfo(torch.float32).eps if eps is None else eps
