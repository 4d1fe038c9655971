"""What a token's experts say, added up by their weights: out = Σ over choices of weight · row of that choice."""

import numpy as np
import numpy.typing as npt

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import FLOAT32
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operators import CombineExperts
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import fill, materialize, zeros
from tytvm.kernels.rowwise import row_builder
from tytvm.kernels.rowwise.row_builder import Buffers, RowChunks
from tytvm.target import InstructionSet


def build(spec: InstructionSet, groups: ExpertGroups, width: int) -> PrimFunc:
    """(rows f32[T·K,width], place i32[T,K], weight f32[T,K], out f32[T,width])."""
    chunks = RowChunks(groups.tokens, width, FLOAT32)
    choices = (groups.tokens, groups.chosen)
    tensors = {
        "rows": ((groups.rows, width), "float32"),
        "place": (choices, "int32"),
        "weight": (choices, "float32"),
    }

    def value(buffers: Buffers, _: None, row: Scalar, at: Scalar) -> Vector:
        total = zeros("float32", chunks.lanes)
        for choice in range(groups.chosen):
            part = buffers["rows"][buffers["place"][row, choice], at]
            factor = fill(buffers["weight"][row, choice], chunks.lanes)
            total = materialize(total + factor * part, "float32", chunks.lanes)
        return total

    return row_builder.build("combine_experts", chunks, tensors, value)


def reference(
    rows: npt.NDArray[np.float32], place: npt.NDArray[np.int32], weight: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: rows f32[T·K,width], place i32[T,K], weight f32[T,K] → f32[T,width]."""
    return np.asarray((rows[place] * weight.astype(np.float64)[..., None]).sum(axis=1), np.float32)


def cost(groups: ExpertGroups, width: int) -> Cost:
    """Operations and bytes."""
    read = size("float32", groups.rows, width) + 2 * size("float32", groups.rows)
    return Cost({"float32": 2 * groups.rows * width}, read, size("float32", groups.tokens, width))


def accepts(target: KernelTarget, operator: CombineExperts) -> Specialization:
    """Every shape."""
    name = symbol("combine_experts", *operator.groups.sizes, operator.width)
    return Specialization(name, (operator.groups, operator.width), rows=operator.groups.tokens)


KERNEL = Kernel(CombineExperts, accepts, build, cost, reference, WorkKind.MOVE)
