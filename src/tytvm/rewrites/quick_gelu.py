"""QuickGELU in one kernel: x · sigmoid(1.702 x)."""

from __future__ import annotations

import torch
from torch import fx

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tytvm.rewrites.fusion import Fusion
from tytvm.rewrites.pattern import OperatorPattern, Wildcard

aten = torch.ops.aten

x = Wildcard("x")
inner = OperatorPattern(aten.mul.Tensor, (x, 1.702), commutes=True)

FUSION = Fusion(
    patterns=(x * OperatorPattern(aten.sigmoid.default, (inner,)),),
    target=torch.ops.tytvm.quick_gelu.default,
    operands=(x,),
    fits=lambda x: isinstance(x, fx.Node),
)
