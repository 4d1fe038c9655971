# mypy: disable-error-code="valid-type,untyped-decorator"
"""Rows with one value in some columns, by their numbers: out is x, but for out[r, index[r, k]] = value."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operators import FillColumns
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, width: int, count: int, value: float) -> PrimFunc:
    """(x f32[R,width], index i64[R,count], out f32[R,width]).

    A number beyond the columns counts from their beginning again, so that nothing outside is written.
    """

    @T.prim_func(private=True)
    def fill_columns(
        x: T.Buffer((R, width), "float32"),
        index: T.Buffer((R, count), "int64"),
        out: T.Buffer((R, width), "float32"),
    ) -> None:
        for r in T.parallel(R):
            for i in range(width):
                out[r, i] = x[r, i]
            for k in range(count):
                out[r, T.cast(T.floormod(index[r, k], T.int64(width)), "int32")] = T.float32(value)

    return fill_columns


def reference(x: npt.NDArray[np.float32], index: npt.NDArray[np.int64], value: float) -> npt.NDArray[np.float32]:
    """In NumPy: x f32[R,width] and index i64[R,count] → f32[R,width]."""
    out = x.copy()
    np.put_along_axis(out, index, np.float32(value), axis=1)
    return out


def cost(R: int, width: int, count: int, value: float) -> Cost:
    """Operations and bytes."""
    return Cost({}, size("float32", R, width) + size("int64", R, count), size("float32", R, width))


def accepts(target: KernelTarget, operator: FillColumns) -> Specialization:
    """Every shape and value."""
    shape = (operator.rows, operator.width, operator.count)
    return Specialization(symbol("fill_columns", *shape), (*shape, operator.value), rows=operator.rows)


KERNEL = Kernel(FillColumns, accepts, build, cost, reference, WorkKind.MOVE)
