# mypy: disable-error-code="valid-type,untyped-decorator"
"""Rotary position embedding (Su et al., 2021) in the rotate-half form: lane d is rotated with lane d + rotary/2."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operators import Rope
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc
from tytvm.kernels.primitives.vector import lanes_of, span
from tytvm.target import InstructionSet


def build(
    spec: InstructionSet, H: int, S: int, D: int, rotary: int | None = None, by_token: bool = False, kept: bool = False
) -> PrimFunc:
    """(x f32[H,S,D], cos f32[S,rotary], sin f32[S,rotary], out f32[H,S,D]); lanes from `rotary` on (default D) pass.

    With `by_token`, x is [S,H,D], as a linear layer leaves it; out too if that is `kept`.
    """
    rotated = D if rotary is None else rotary
    half = rotated // 2
    lanes, rest = lanes_of(half), lanes_of(D - rotated)

    @T.prim_func(private=True)
    def rope(
        x: T.Buffer((S, H, D) if by_token else (H, S, D), "float32"),
        cos: T.Buffer((S, rotated), "float32"),
        sin: T.Buffer((S, rotated), "float32"),
        out: T.Buffer((S, H, D) if kept else (H, S, D), "float32"),
    ) -> None:
        for i in T.parallel(S * H):
            s: T.let = i // H
            row: T.let = i // H if by_token else i % H
            column: T.let = i % H if by_token else i // H
            into: T.let = i // H if kept else i % H
            beside: T.let = i % H if kept else i // H
            for j in range(half // lanes):
                low: T.let = T.ramp(j * lanes, 1, lanes) if lanes > 1 else j
                high: T.let = low + half
                a: T.let = x[row, column, low]
                b: T.let = x[row, column, high]
                out[into, beside, low] = a * cos[s, low] - b * sin[s, low]
                out[into, beside, high] = b * cos[s, high] + a * sin[s, high]
            for j in range((D - rotated) // max(rest, 1)):
                out[into, beside, span(rotated + j * rest, rest)] = x[row, column, span(rotated + j * rest, rest)]

    return rope


def reference(
    x: npt.NDArray[np.float32], cos: npt.NDArray[np.float32], sin: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """In NumPy, as Hugging Face's `apply_rotary_pos_emb`: x f32[...,S,D], cos and sin f32[S,rotary] → f32[...,S,D]."""
    rotated = cos.shape[-1]
    front, rest = x[..., :rotated], x[..., rotated:]
    half = np.concatenate([-front[..., rotated // 2 :], front[..., : rotated // 2]], axis=-1)
    return np.asarray(np.concatenate([front * cos + half * sin, rest], axis=-1), np.float32)


def cost(H: int, S: int, D: int, rotary: int | None = None, by_token: bool = False, kept: bool = False) -> Cost:
    """Operations and bytes."""
    return Cost({"float32": 3 * H * S * D}, size("float32", H + 2, S, D), size("float32", H, S, D))


def accepts(target: KernelTarget, operator: Rope) -> Specialization:
    """Every shape; the names say in which order x and the result lie."""
    shape = (operator.heads, operator.tokens, operator.width)
    name = symbol("rope", *shape, by_token=operator.tokens_first, kept=operator.keeps_order)
    return Specialization(name, (*shape, None, operator.tokens_first, operator.keeps_order), rows=operator.tokens)


KERNEL = Kernel(Rope, accepts, build, cost, reference, WorkKind.ROWWISE)
