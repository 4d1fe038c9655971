"""Kernels that do the first rows of a step, as many as are in use: a batch that is not full costs what it holds."""

from __future__ import annotations

from tvm import tirx
from tvm.script import tirx as T

from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.vector import ceildiv


def limit_rows(function: PrimFunc, rows: int) -> PrimFunc:
    """A kernel whose parallel loop takes rows in order, with the number of rows in use, i64[1], as first parameter.

    Its attribute `tytvm.rows` tells `spmd` that the loop ends with the last of them.
    """
    count = tirx.decl_buffer((1,), "int64", "row_count")
    limited = tirx.PrimFunc([count, *function.params], function.body, function.ret_type, function.attrs)
    return limited.with_attr("tytvm.rows", rows)


def is_in_use(row_count: Buffer | None, row: Scalar) -> Scalar:
    """Whether a row is in use: all are where there is no count."""
    return T.bool(True) if row_count is None else row < T.cast(row_count[0], "int32")


def passes(row_count: Buffer | None, rows: int, most: int) -> Scalar:
    """Passes of so many `rows` over the rows in use; `most` over all rows, where there is no count."""
    if row_count is None:
        return T.int32(most)
    return T.min(ceildiv(T.cast(row_count[0], "int32"), rows), most)
