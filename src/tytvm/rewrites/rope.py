"""Rotary positions in one kernel: the halves of a head are turned in registers, with no copy that exchanges them.

Where only the first part of a head is rotated (Phi, StableLM, GPT-NeoX), the model slices it off before and joins it to
the rest afterwards; the pattern then stands on the slice.
"""

from __future__ import annotations

import torch
from torch import fx

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tytvm.rewrites.fusion import Fusion
from tytvm.rewrites.pattern import Call, Hole

aten = torch.ops.aten

x, cos, sin = Hole("x"), Hole("cos"), Hole("sin")
axis, joined, half, end = Hole("axis"), Hole("joined"), Hole("half"), Hole("end")

first_half = Call(aten.slice.Tensor, (x, axis, 0, half))
second_half = Call(aten.slice.Tensor, (x, axis, half, end))
rotate_half = Call(aten.cat.default, ([-second_half, first_half], joined))


def over_heads(table: Hole) -> Call:
    """A table [1,S,D] as [1,1,S,D], the same for every head."""
    return Call(aten.unsqueeze.default, (table, 1))


def fits(x: fx.Node, cos: fx.Node, sin: fx.Node, axis: int, joined: int, half: int, end: int) -> bool:
    """Whether x is [1,H,S,D], cut in two equal halves of D, and the tables are [1,S,D]."""
    of = x.meta["val"]
    tables = (cos.meta["val"], sin.meta["val"])
    if of.ndim != 4 or axis % 4 != 3 or joined % 4 != 3:
        return False
    batch, _, tokens, size = of.shape
    whole_tables = all(table.shape == (batch, tokens, size) and table.dtype == of.dtype for table in tables)
    return whole_tables and 2 * half == size and end >= size


FUSION = Fusion(
    patterns=(x * over_heads(cos) + rotate_half * over_heads(sin),),
    target=torch.ops.tytvm.rope.default,
    operands=(x, cos, sin),
    fits=fits,
)
