"""Rotary positions in one kernel: the halves of a head are rotated in registers, with no copy that exchanges them.

Where only the first part of a head is rotated (Phi, StableLM, GPT-NeoX), the model slices it off before and joins it to
the rest afterwards; the pattern then stands on the slice. Vision towers have tokens before heads.
"""

from __future__ import annotations

import torch
from torch import fx

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tytvm.rewrites.fusion import Fusion
from tytvm.rewrites.pattern import OperatorPattern, Wildcard

aten = torch.ops.aten

x, cos, sin = Wildcard("x"), Wildcard("cos"), Wildcard("sin")
axis, joined, half, end = Wildcard("axis"), Wildcard("joined"), Wildcard("half"), Wildcard("end")

first_half = OperatorPattern(aten.slice.Tensor, (x, axis, 0, half))
second_half = OperatorPattern(aten.slice.Tensor, (x, axis, half, end))
rotate_half = OperatorPattern(aten.cat.default, ([-second_half, first_half], joined))


def over_heads(table: Wildcard, axis: int = 1) -> OperatorPattern:
    """A table [1,S,D] as [1,1,S,D] (or [S,D] as [S,1,D]), the same for every head."""
    return OperatorPattern(aten.unsqueeze.default, (table, axis))


def fits(x: fx.Node, cos: fx.Node, sin: fx.Node, axis: int, joined: int, half: int, end: int) -> bool:
    """Whether x is [B,H,S,D] or [S,H,D], cut in two equal halves of D, and the tables are [B,S,D] or [S,D]."""
    if not (isinstance(cos, fx.Node) and isinstance(sin, fx.Node)):
        return False
    of = x.meta["val"]
    tables = (cos.meta["val"], sin.meta["val"])
    if of.ndim not in (3, 4) or axis % of.ndim != of.ndim - 1 or joined % of.ndim != of.ndim - 1:
        return False
    first, _, *rest = of.shape
    shapes = {(first, *rest), (first, 1, *rest)}
    whole_tables = all(tuple(table.shape) in shapes and table.dtype == of.dtype for table in tables)
    return whole_tables and 2 * half == of.shape[-1] and end >= of.shape[-1]


FUSION = Fusion(
    patterns=(
        x * over_heads(cos) + rotate_half * over_heads(sin),
        x * over_heads(cos, -2) + rotate_half * over_heads(sin, -2),
        x * cos + rotate_half * sin,  # tables with the heads' axis: constants, computed before
    ),
    target=torch.ops.tytvm.rope.default,
    operands=(x, cos, sin),
    fits=fits,
)
