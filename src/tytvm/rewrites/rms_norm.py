"""RMSNorm in one kernel: a row is read twice from the cache instead of passing through memory six times."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tytvm.rewrites.fusion import Fusion
from tytvm.rewrites.pattern import OperatorPattern, Wildcard

aten = torch.ops.aten

x, weight, eps, dims = Wildcard("x"), Wildcard("weight"), Wildcard("eps"), Wildcard("dims")


def mean(of: OperatorPattern) -> OperatorPattern:
    """The mean over `dims`, which stay as axes of length one."""
    return OperatorPattern(aten.mean.dim, (of, dims, True))


def rsqrt(of: OperatorPattern) -> OperatorPattern:
    """1 / √x."""
    return OperatorPattern(aten.rsqrt.default, (of,))


def fits(x: fx.Node, weight: fx.Node, eps: float, dims: Sequence[int]) -> bool:
    """The mean is over the last axis, and the weight (or an expression such as Gemma's 1 + w) lies along that axis."""
    if not isinstance(weight, fx.Node) or not isinstance(eps, float) or len(dims) != 1:
        return False
    of, scale = x.meta["val"], weight.meta["val"]
    along = scale.shape == of.shape[-1:] and scale.dtype == of.dtype
    return bool(along and dims[0] % of.ndim == of.ndim - 1)


FUSION = Fusion(
    patterns=(
        x * rsqrt(mean(x**2) + eps) * weight,
        x * rsqrt(mean(x * x) + eps) * weight,
    ),
    target=torch.ops.tytvm.rms_norm.default,
    operands=(x, weight, eps),
    fits=fits,
)
