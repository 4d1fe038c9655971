"""SwiGLU's gate (Shazeer, 2020): out = silu(gate) · up, where silu(x) = x / (1 + exp(-x))."""

import numpy as np
import numpy.typing as npt

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import FLOAT32, Encoding, bytes_of
from tytvm.kernels.operators import SwiGlu
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc, Scalar, Vector
from tytvm.kernels.rowwise import row_builder
from tytvm.kernels.rowwise.activation import silu
from tytvm.kernels.rowwise.row_builder import Buffers, RowChunks
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, width: int, encoding: Encoding = FLOAT32) -> PrimFunc:
    """(gate f32[R,width], up f32[R,width], out in its encoding)."""
    chunks = RowChunks(R, width, encoding)
    whole = ((R, width), "float32")

    def value(buffers: Buffers, _: None, row: Scalar, at: Scalar) -> Vector:
        return silu(spec, buffers["gate"][row, at], chunks.lanes) * buffers["up"][row, at]

    return row_builder.build("swiglu", chunks, {"gate": whole, "up": whole}, value)


def reference(gate: npt.NDArray[np.float32], up: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: gate and up f32[..., width] → f32 of the same shape."""
    x = gate.astype(np.float64)
    return np.asarray(x / (1 + np.exp(-x)) * up, np.float32)


def cost(R: int, width: int, encoding: Encoding = FLOAT32) -> Cost:
    """Operations and bytes; an exponential counts as 16."""
    return Cost({"float32": 20 * R * width}, size("float32", 2, R, width), bytes_of(encoding, R, width))


def accepts(target: KernelTarget, operator: SwiGlu) -> Specialization:
    """Every shape and encoding."""
    shape, encoding = (operator.rows, operator.width), operator.encoding
    return Specialization(
        symbol(f"swiglu{encoding.kind}", *shape, *encoding.sizes), (*shape, encoding), rows=operator.rows
    )


KERNEL = Kernel(SwiGlu, accepts, build, cost, reference, WorkKind.ROWWISE)
