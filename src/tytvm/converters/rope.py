"""Rotary positions."""

from __future__ import annotations

from typing import Any

import torch

from tytvm.emitter import Emitter
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(x [1,H,S,D], cos [1,S,D], sin [1,S,D]) → [1,H,S,D]."""
    shape = tuple(node.meta["val"].shape)
    x, cos, sin = (
        emitter.shaped(emitter.env[argument], tuple(argument.meta["val"].shape)[1:]) for argument in node.args
    )
    kernel = emitter.kernels.rope(*shape[1:])
    return emitter.shaped(emitter.call(kernel, [x, cos, sin], TensorSpec(shape[1:], "float32")), shape)
