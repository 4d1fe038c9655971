"""Rotary positions."""

from __future__ import annotations

from typing import Any

import torch

from tytvm.emitter import Emitter
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(x [1,H,S,D], cos [1,S,D], sin [1,S,D]) → [1,H,S,D]."""
    x, *tables = node.args
    shape = tuple(node.meta["val"].shape)
    source = _by_token(x)
    of = x if source is None else source
    arguments = [emitter.shaped(emitter.env[each], tuple(each.meta["val"].shape)[1:]) for each in (of, *tables)]
    _, heads, tokens, width = shape
    kernel = emitter.kernels.rope(heads, tokens, width, source is not None)
    return emitter.shaped(emitter.call(kernel, arguments, TensorSpec(shape[1:], "float32")), shape)


def _by_token(node: torch.fx.Node) -> torch.fx.Node | None:
    """What [1,S,H,D] the heads were turned out of, so that the turning itself is left out."""
    is_turn = node.target is torch.ops.aten.transpose.int and {axis % 4 for axis in node.args[1:]} == {1, 2}
    return node.args[0] if is_turn else None
