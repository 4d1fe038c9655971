"""Rotary positions."""

from __future__ import annotations

import torch

from tyllm_base.errors import UnsupportedError
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operators import Rope
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(x [1,H,S,D] or [S,H,D], cos and sin of S · D values) → the same shape.

    Raises:
        UnsupportedError: there is a batch.
    """
    x, *tables = node.args
    shape = tuple(node.meta["val"].shape)
    tokens_first = len(shape) == 3
    if not tokens_first and shape[0] != 1:
        raise UnsupportedError(f"Rotary positions of a batch of {shape[0]} cannot be compiled; use a batch of 1.")
    source = x if tokens_first else _before_transpose(x)
    tokens, heads, width = shape if tokens_first else (shape[2], shape[1], shape[3])
    rows = (heads, tokens, width) if source is None else (tokens, heads, width)
    value = emitter.reshape(emitter.env[x if source is None else source], rows)
    arguments = [value, *(emitter.reshape(emitter.env[table], (tokens, width)) for table in tables)]
    choice = emitter.kernels.choose(Rope(heads, tokens, width, source is not None, tokens_first))
    return emitter.reshape(emitter.call(choice, arguments, TensorSpec(shape[-3:], "float32")), shape)


def _before_transpose(node: torch.fx.Node) -> torch.fx.Node | None:
    """The tensor [1,S,H,D] before a transpose to [1,H,S,D], so that the transpose itself is left out."""
    is_turn = node.target is torch.ops.aten.transpose.int and {axis % 4 for axis in node.args[1:]} == {1, 2}
    return node.args[0] if is_turn else None
