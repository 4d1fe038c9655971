# mypy: disable-error-code="valid-type,untyped-decorator"
"""The largest values of each row, in falling order, and where they lie; of equal values the first comes first."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operators import TopK
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, width: int, count: int) -> PrimFunc:
    """(x f32[R,width], values f32[R,count], index i64[R,count]): every index is one of the row, NaN or not."""

    @T.prim_func(private=True)
    def top_k(
        x: T.Buffer((R, width), "float32"),
        values: T.Buffer((R, count), "float32"),
        index: T.Buffer((R, count), "int64"),
    ) -> None:
        for r in T.parallel(R):
            kept = T.alloc_buffer((count,), "float32")
            where = T.alloc_buffer((count,), "int32")
            free = T.alloc_buffer((1,), "int32")
            for i in range(width):
                # insertion: the first `count` go in, later ones where they are larger than the last
                if i < count or x[r, i] > kept[count - 1]:
                    free[0] = T.min(i, count - 1)
                    while free[0] > 0 and x[r, i] > kept[T.max(free[0] - 1, 0)]:
                        kept[free[0]] = kept[free[0] - 1]
                        where[free[0]] = where[free[0] - 1]
                        free[0] = free[0] - 1
                    kept[free[0]] = x[r, i]
                    where[free[0]] = i
            for k in range(count):
                values[r, k] = kept[k]
                index[r, k] = T.cast(where[k], "int64")

    return top_k


def reference(x: npt.NDArray[np.float32], count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """In NumPy: x f32[R,width] → values f32[R,count] and index i64[R,count]."""
    index = np.argsort(-x, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(x, index, axis=1), index


def cost(R: int, width: int, count: int) -> Cost:
    """Operations and bytes."""
    made = size("float32", R, count) + size("int64", R, count)
    return Cost({"float32": R * width * 2}, size("float32", R, width), made)


def accepts(target: KernelTarget, operator: TopK) -> Specialization:
    """Every shape."""
    shape = (operator.rows, operator.width, operator.count)
    return Specialization(symbol("top_k", *shape), shape, rows=operator.rows)


KERNEL = Kernel(TopK, accepts, build, cost, reference, WorkKind.ROWWISE)
