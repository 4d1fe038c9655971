# mypy: disable-error-code="valid-type,untyped-decorator"
"""Some columns of each row, by their numbers: out[r, k] = x[r, index[r, k]]."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operators import GatherColumns
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, width: int, count: int) -> PrimFunc:
    """(x f32[R,width], index i64[R,count], out f32[R,count]).

    A number beyond the columns counts from their beginning again, so that nothing outside is read.
    """

    @T.prim_func(private=True)
    def gather_columns(
        x: T.Buffer((R, width), "float32"),
        index: T.Buffer((R, count), "int64"),
        out: T.Buffer((R, count), "float32"),
    ) -> None:
        for r in T.parallel(R):
            for k in range(count):
                out[r, k] = x[r, T.cast(T.floormod(index[r, k], T.int64(width)), "int32")]

    return gather_columns


def reference(x: npt.NDArray[np.float32], index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """In NumPy: x f32[R,width] and index i64[R,count] → f32[R,count]."""
    return np.take_along_axis(x, index, axis=1)


def cost(R: int, width: int, count: int) -> Cost:
    """Operations and bytes."""
    return Cost({}, size("int64", R, count) + size("float32", R, count), size("float32", R, count))


def accepts(target: KernelTarget, operator: GatherColumns) -> Specialization:
    """Every shape."""
    shape = (operator.rows, operator.width, operator.count)
    return Specialization(symbol("gather_columns", *shape), shape, rows=operator.rows)


KERNEL = Kernel(GatherColumns, accepts, build, cost, reference, WorkKind.MOVE)
