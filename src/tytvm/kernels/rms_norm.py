# mypy: disable-error-code="valid-type,untyped-decorator"
"""RMSNorm (Zhang and Sennrich, 2019): out = x / sqrt(mean(x²) + eps) · weight, row by row."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.cost import Cost, size
from tytvm.kernels.vector import add, fill, fold, hold, lanes_of, span, zeros
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, H: int, eps: float) -> Any:
    """(x f32[R,H], weight f32[H], out f32[R,H])."""
    lanes = lanes_of(H)

    @T.prim_func(private=True)
    def rms_norm(
        x: T.Buffer((R, H), "float32"), weight: T.Buffer((H,), "float32"), out: T.Buffer((R, H), "float32")
    ) -> None:
        for r in T.parallel(R):
            squares = T.alloc_buffer((lanes,), "float32")
            squares[span(0, lanes)] = zeros("float32", lanes)
            for i in range(H // lanes):
                v: T.let = x[r, span(i * lanes, lanes)]
                squares[span(0, lanes)] = squares[span(0, lanes)] + v * v
            mean: T.let = fold(add, squares[span(0, lanes)], "float32", lanes) / T.float32(H)
            factor: T.let = hold(T.float32(1) / T.sqrt(mean + T.float32(eps)), "float32", 1)
            for i in range(H // lanes):
                at: T.let = i * lanes
                out[r, span(at, lanes)] = x[r, span(at, lanes)] * fill(factor, lanes) * weight[span(at, lanes)]

    return rms_norm


def reference(x: npt.NDArray[Any], weight: npt.NDArray[Any], eps: float) -> npt.NDArray[np.float32]:
    """The same in NumPy."""
    mean = np.mean(np.square(x, dtype=np.float64), axis=-1, keepdims=True)
    return np.asarray(x / np.sqrt(mean + eps) * weight, np.float32)


def cost(R: int, H: int) -> Cost:
    """Operations and bytes."""
    return Cost({"float32": 4 * R * H}, size("float32", R + 1, H), size("float32", R, H))
