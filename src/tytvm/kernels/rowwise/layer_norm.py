"""LayerNorm (Ba, Kiros and Hinton, 2016): out = (x − mean(x)) / sqrt(var(x) + eps) · weight + bias, row by row.

Of a sum too, as `rms_norm`, which tells how workers share a row.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import FLOAT32, Encoding, bytes_of
from tytvm.kernels.operators import LayerNorm
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import fill, materialize
from tytvm.kernels.rowwise import row_builder
from tytvm.kernels.rowwise.rms_norm import read, total
from tytvm.kernels.rowwise.row_builder import Buffers, RowChunks
from tytvm.target import InstructionSet


def build(
    spec: InstructionSet, R: int, H: int, eps: float, encoding: Encoding = FLOAT32, with_sum: bool = False
) -> PrimFunc:
    """(x f32[R,H], weight f32[H], bias f32[H], out) or, with a sum, (x, y f32[R,H], weight, bias, sum f32[R,H], out).

    Args:
        spec: The CPU.
        R: Rows.
        H: Width.
        eps: Added to the variance.
        encoding: Of `out`.
        with_sum: Whether the norm is of x + y, which is written to `sum`.
    """
    chunks = RowChunks(R, H, encoding)
    whole = ((R, H), "float32")
    affine = {"weight": ((H,), "float32"), "bias": ((H,), "float32")}
    tensors = {"x": whole, "y": whole} | affine | {"sum": whole} if with_sum else {"x": whole} | affine

    def moments(buffers: Buffers, row: Scalar) -> tuple[Scalar, Scalar]:
        mean = materialize(total(buffers, row, H, chunks.lanes, lambda v: v) / T.float32(H), "float32", 1)
        away = fill(mean, chunks.lanes)
        variance = total(buffers, row, H, chunks.lanes, lambda v: (v - away) * (v - away)) / T.float32(H)
        return mean, materialize(T.float32(1) / T.sqrt(variance + T.float32(eps)), "float32", 1)

    def value(buffers: Buffers, moments: tuple[Scalar, Scalar], row: Scalar, at: Scalar) -> Vector:
        mean, factor = (fill(moment, chunks.lanes) for moment in moments)
        x = materialize(read(buffers, row, at), "float32", chunks.lanes)
        if with_sum:
            T.buffer_store(buffers["sum"], x, [row, at])
        return (x - mean) * factor * buffers["weight"][at] + buffers["bias"][at]

    return row_builder.build("layer_norm", chunks, tensors, value, moments)


def reference(
    x: npt.NDArray[Any], weight: npt.NDArray[Any], bias: npt.NDArray[Any], eps: float
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: x [..., H], weight and bias [H], of any float type → f32[..., H]."""
    away = x - np.mean(x, axis=-1, keepdims=True, dtype=np.float64)
    variance = np.mean(np.square(away), axis=-1, keepdims=True)
    return np.asarray(away / np.sqrt(variance + eps) * weight + bias, np.float32)


def cost(R: int, H: int, eps: float, encoding: Encoding = FLOAT32, with_sum: bool = False) -> Cost:
    """Operations and bytes."""
    whole = size("float32", R, H)
    read, written = (2 * whole, whole) if with_sum else (whole, 0)
    return Cost({"float32": (8 + with_sum) * R * H}, read + 2 * size("float32", H), written + bytes_of(encoding, R, H))


def accepts(target: KernelTarget, norm: LayerNorm) -> Specialization:
    """Every shape and encoding."""
    name = f"{'add_' * norm.with_sum}layer_norm{norm.encoding.kind}"
    shape = (norm.rows, norm.width)
    return Specialization(
        symbol(name, *shape, *norm.encoding.sizes), (*shape, norm.eps, norm.encoding, norm.with_sum), rows=norm.rows
    )


KERNEL = Kernel(LayerNorm, accepts, build, cost, reference, WorkKind.ROWWISE)
