"""RMSNorm, ours and torch's own operator of the same name."""

from __future__ import annotations

import math
from typing import Any

import torch

from tytvm.emitter import Emitter
from tytvm.errors import UnsupportedError
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(x [..., H], weight [H], eps) → [..., H].

    Raises:
        UnsupportedError: the norm is over several axes, or has no weight.
    """
    x, weight, eps = node.args if node.target is torch.ops.tytvm.rms_norm.default else _torch_arguments(node)
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    kernel = emitter.kernels.rms_norm(*rows, eps)
    arguments = [emitter.shaped(emitter.env[x], rows), emitter.env[weight]]
    return emitter.shaped(emitter.call(kernel, arguments, TensorSpec(rows, "float32")), shape)


def _torch_arguments(node: torch.fx.Node) -> tuple[Any, Any, float]:
    """Input, weight and epsilon of torch's own RMSNorm."""
    x, axes, weight, eps = (*node.args, None, None)[:4]
    if len(axes) != 1 or weight is None:
        raise UnsupportedError(
            f"The model uses {node.target} over {list(axes)} with weight {weight}, which cannot be compiled."
        )
    return x, weight, torch.finfo(torch.float32).eps if eps is None else eps
