"""SwiGLU's gate."""

from __future__ import annotations

import math
from typing import Any

import torch

from tytvm.emitter import Emitter
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(gate, up), both [..., width] → [..., width]."""
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    gate, up = (emitter.shaped(emitter.env[argument], rows) for argument in node.args)
    result = emitter.call(emitter.kernels.swiglu(*rows), [gate, up], TensorSpec(rows, "float32"))
    return emitter.shaped(result, shape)
