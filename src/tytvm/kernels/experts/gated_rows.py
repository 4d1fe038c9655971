"""The gate between an expert's two layers: activation(gate) · (up + offset), side by side in a row, within limits."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import FLOAT32, Encoding, bytes_of
from tytvm.kernels.operators import GatedRows
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import fill, materialize
from tytvm.kernels.rowwise import activation, row_builder
from tytvm.kernels.rowwise.row_builder import Buffers, RowChunks
from tytvm.target import InstructionSet


def build(
    spec: InstructionSet,
    R: int,
    width: int,
    kind: str,
    encoding: Encoding = FLOAT32,
    limit: float = 0.0,
    offset: float = 0.0,
) -> PrimFunc:
    """(x f32[R,2·width], gate then up, out [R,width] in its encoding); `kind` is one of `activation.KINDS`."""
    chunks = RowChunks(R, width, encoding)

    def value(buffers: Buffers, _: None, row: Scalar, at: Scalar) -> Vector:
        gate, up = buffers["x"][row, at], buffers["x"][row, at + width]
        if limit:
            most, least = (fill(T.float32(bound), chunks.lanes) for bound in (limit, -limit))
            gate, up = T.min(gate, most), T.max(T.min(up, most), least)
        if offset:
            up = materialize(up + fill(T.float32(offset), chunks.lanes), "float32", chunks.lanes)
        return activation.apply(spec, kind, gate, chunks.lanes) * up

    return row_builder.build("gated_rows", chunks, {"x": ((R, 2 * width), "float32")}, value)


def reference(
    x: npt.NDArray[np.float32], kind: str, limit: float = 0.0, offset: float = 0.0
) -> npt.NDArray[np.float32]:
    """In NumPy: x f32[...,2·width] → f32[...,width]; `kind` is one of `activation.KINDS`."""
    gate, up = np.split(x, 2, axis=-1)
    if limit:
        gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
    return np.asarray(activation.reference(gate, kind) * (up + offset), np.float32)


def cost(R: int, width: int, kind: str, encoding: Encoding = FLOAT32, limit: float = 0.0, offset: float = 0.0) -> Cost:
    """Operations and bytes; an exponential counts as 16."""
    return Cost({"float32": 20 * R * width}, size("float32", 2, R, width), bytes_of(encoding, R, width))


def accepts(target: KernelTarget, operator: GatedRows) -> Specialization:
    """Every activation of `activation.KINDS`, in every encoding."""
    shape, encoding = (operator.rows, operator.width), operator.encoding
    own = {"limited": bool(operator.limit), "shifted": bool(operator.offset)}
    name = symbol(f"gated_{operator.function}{encoding.kind}", *shape, *encoding.sizes, **own)
    arguments = (*shape, operator.function, encoding, operator.limit, operator.offset)
    return Specialization(name, arguments, rows=operator.rows)


KERNEL = Kernel(GatedRows, accepts, build, cost, reference, WorkKind.ROWWISE)
