"""SwiGLU in one kernel: silu(gate) goes straight into the product instead of to memory and back."""

from __future__ import annotations

import torch
from torch import fx

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tytvm.rewrites.fusion import Fusion
from tytvm.rewrites.pattern import OperatorPattern, Wildcard

gate, up = Wildcard("gate"), Wildcard("up")


def silu(of: Wildcard) -> OperatorPattern:
    """The product x · sigmoid(x)."""
    return OperatorPattern(torch.ops.aten.silu.default, (of,))


def fits(gate: fx.Node, up: fx.Node) -> bool:
    """Gate and up are tensors of one shape and type."""
    if not isinstance(up, fx.Node):
        return False
    left, right = gate.meta["val"], up.meta["val"]
    return bool(left.shape == right.shape and left.dtype == right.dtype)


FUSION = Fusion(
    patterns=(silu(gate) * up,),
    target=torch.ops.tytvm.swiglu.default,
    operands=(gate, up),
    fits=fits,
)
