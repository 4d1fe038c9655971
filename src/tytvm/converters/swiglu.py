"""SwiGLU's gate, written as its readers want it."""

from __future__ import annotations

import math
from typing import Any

import torch

from tytvm.converters.readers import wanted
from tytvm.emitter import Emitter


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(gate, up), both [..., width] → [..., width]."""
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    gate, up = (emitter.shaped(emitter.env[argument], rows) for argument in node.args)
    encoding = wanted(emitter, node)
    (result,) = emitter.call_encoded(emitter.kernels.swiglu(*rows, encoding), [gate, up], [], encoding, rows)
    return emitter.shaped(result, shape)
