"""Rows by their numbers, in the encoding that their consumer requests: the output projection is run for them alone."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import FLOAT32, Encoding, bytes_of
from tytvm.kernels.operators import SelectRows
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc, Scalar, Vector
from tytvm.kernels.rowwise import row_builder
from tytvm.kernels.rowwise.row_builder import Buffers, RowChunks
from tytvm.target import InstructionSet


def build(spec: InstructionSet, S: int, H: int, R: int, encoding: Encoding = FLOAT32) -> PrimFunc:
    """(x f32[S,H], index i64[R], out in its encoding): rows index of x; negative numbers count from the end.

    A number beyond the rows counts from their beginning again, so that nothing outside is read.
    """
    chunks = RowChunks(R, H, encoding)
    tensors = {"x": ((S, H), "float32"), "index": ((R,), "int64")}

    def row_of(buffers: Buffers, row: Scalar) -> Scalar:
        return T.bind(T.cast(T.floormod(buffers["index"][row], T.int64(S)), "int32"))

    def value(buffers: Buffers, source: Scalar, row: Scalar, at: Scalar) -> Vector:
        return buffers["x"][source, at]

    return row_builder.build("select_rows", chunks, tensors, value, row_of)


def reference(x: npt.NDArray[np.float32], index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """In NumPy: x f32[S,H] and index i64[R] → f32[R,H]."""
    return x[index % len(x)]


def cost(S: int, H: int, R: int, encoding: Encoding = FLOAT32) -> Cost:
    """Operations and bytes."""
    return Cost({}, size("float32", R, H) + size("int64", R), bytes_of(encoding, R, H))


def accepts(target: KernelTarget, operator: SelectRows) -> Specialization:
    """Every shape and encoding."""
    shape, encoding = (operator.tokens, operator.width, operator.count), operator.encoding
    return Specialization(
        symbol(f"select_rows{encoding.kind}", *shape, *encoding.sizes), (*shape, encoding), rows=operator.count
    )


KERNEL = Kernel(SelectRows, accepts, build, cost, reference, WorkKind.MOVE)
