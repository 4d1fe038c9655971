# mypy: disable-error-code="valid-type,untyped-decorator"
"""The rows of an embedding table that the tokens name; a die that holds only some rows gives zeros for the others."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operators import EmbeddingRows
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import ceildiv, chunk_size, lanes_of, of, span, zeros
from tytvm.target import InstructionSet
from tytvm.weights import W16, Plain

_CHUNK = 512


def build(spec: InstructionSet, S: int, rows: int, H: int, tiled: bool = False) -> PrimFunc:
    """(tokens i64[S], first i64[1], table f16, out f32[S,H]): row `token - first`, zeros outside [0, rows).

    Args:
        spec: The CPU.
        S: Tokens.
        rows: Rows of the table.
        H: Width of a row.
        tiled: The table is the weight [ceil(rows/16), H, 16] of `linear_w16a16` (tied heads), not [rows, H].
    """
    chunk = chunk_size(H, _CHUNK)
    lanes, chunks = 1 if tiled else lanes_of(chunk), H // chunk
    shape = (ceildiv(rows, 16), H, 16) if tiled else (rows, H)

    def read(table: Buffer, row: Scalar, column: Scalar) -> Vector:
        if tiled:
            return table[row // 16, column, row % 16]
        return table[row, span(column, lanes)]

    @T.prim_func(private=True)
    def embedding(
        tokens: T.Buffer((S,), "int64"),
        first: T.Buffer((1,), "int64"),
        table: T.Buffer(shape, "float16"),
        out: T.Buffer((S, H), "float32"),
    ) -> None:
        for i in T.parallel(S * chunks):
            s: T.let = i // chunks
            row: T.let = tokens[s] - first[0]
            for j in range(chunk // lanes):
                column: T.let = i % chunks * chunk + j * lanes
                if T.And(row >= T.int64(0), row < T.int64(rows)):
                    inside: T.let = T.cast(row, "int32")
                    out[s, span(column, lanes)] = T.cast(read(table, inside, column), of("float32", lanes))
                else:
                    out[s, span(column, lanes)] = zeros("float32", lanes)

    return embedding


def reference(tokens: npt.NDArray[np.int64], first: int, table: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """In NumPy: tokens i64[S] and a table f16[rows,H] → f32[S,H], zeros for tokens outside [first, first + rows)."""
    row = tokens - first
    inside = (row >= 0) & (row < len(table))
    return np.where(inside[:, None], table[np.where(inside, row, 0)], 0).astype(np.float32)


def cost(S: int, rows: int, H: int, tiled: bool = False) -> Cost:
    """Operations and bytes."""
    return Cost({}, size("int64", S + 1) + size("float16", S, H), size("float32", S, H))


def accepts(target: KernelTarget, operator: EmbeddingRows) -> Specialization | None:
    """Tables in float16, as rows or, tied to the head, as the weight of a linear layer."""
    table = operator.table
    if isinstance(table, W16):
        rows, width = table.out_features, table.in_features
    elif isinstance(table, Plain):
        rows, width = table.shape
    else:
        return None
    shape = (operator.count, rows, width)
    return Specialization(symbol("embedding", *shape), (*shape, isinstance(table, W16)), rows=operator.count)


KERNEL = Kernel(EmbeddingRows, accepts, build, cost, reference, WorkKind.MOVE)
