# mypy: disable-error-code="valid-type,untyped-decorator"
"""SwiGLU's gate (Shazeer, 2020): out = silu(gate) · up, where silu(x) = x / (1 + exp(-x))."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.cost import Cost, size
from tytvm.kernels.exponential import exp
from tytvm.kernels.vector import fill, lanes_of, piece_of, span, zeros
from tytvm.target import InstructionSet

_PIECE = 256


def build(spec: InstructionSet, R: int, width: int) -> Any:
    """(gate f32[R,width], up f32[R,width], out f32[R,width])."""
    piece = piece_of(width, _PIECE)
    lanes, pieces = lanes_of(piece), width // piece

    @T.prim_func(private=True)
    def swiglu(
        gate: T.Buffer((R, width), "float32"),
        up: T.Buffer((R, width), "float32"),
        out: T.Buffer((R, width), "float32"),
    ) -> None:
        for i in T.parallel(R * pieces):
            r: T.let = i // pieces
            for j in range(piece // lanes):
                at: T.let = span(i % pieces * piece + j * lanes, lanes)
                x: T.let = gate[r, at]
                out[r, at] = x / (fill(T.float32(1), lanes) + exp(zeros("float32", lanes) - x, lanes)) * up[r, at]

    return swiglu


def reference(gate: npt.NDArray[np.float32], up: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The same in NumPy."""
    x = gate.astype(np.float64)
    return np.asarray(x / (1 + np.exp(-x)) * up, np.float32)


def cost(R: int, width: int) -> Cost:
    """Operations and bytes; an exponential counts as 16."""
    return Cost({"float32": 20 * R * width}, size("float32", 2, R, width), size("float32", R, width))
