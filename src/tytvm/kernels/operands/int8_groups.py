"""How a kernel writes a group of int8 activations: scale = max|x| / 127, q = round(x / scale), and the sum of q."""

from tvm.script import tirx as T

from tytvm.kernels.primitives.amx import BYTES, SIDE
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import add, ceildiv, fill, horizontal_reduce, materialize, of, span, zeros

LARGEST = 127
SMALLEST = 1e-30  # a group below counts as zeros, so that 127 / max|x| stays finite
_ROUND = 12582912.0  # 1.5 * 2^23: adding it leaves the nearest integer (ties to even) in the low bits


def code_shape(R: int, K: int, tiled: bool) -> tuple[int, ...]:
    """Shape of the codes of [R, K] activations, in rows or in AMX's left tiles."""
    return (ceildiv(R, SIDE), K // BYTES, SIDE, BYTES) if tiled else (R, K)


def write_group(
    q: Buffer, scale: Buffer, total: Buffer | None, row: Scalar, g: Scalar, values: list[Vector], lanes: int
) -> None:
    """Writes group `g` of a row: codes, scale and sum of its `values` (float32 vectors of so many lanes)."""
    group = lanes * len(values)
    values = [materialize(value, "float32", lanes) for value in values]
    largest = zeros("float32", lanes)
    for value in values:
        largest = materialize(T.max(largest, T.max(value, zeros("float32", lanes) - value)), "float32", lanes)
    max_abs = materialize(horizontal_reduce(T.max, largest, "float32", lanes), "float32", 1)
    factor = materialize(
        T.Select(max_abs > T.float32(SMALLEST), T.float32(LARGEST) / max_abs, T.float32(0)), "float32", 1
    )
    sums = zeros("int32", lanes)
    for j, value in enumerate(values):
        shifted = materialize(value * fill(factor, lanes) + fill(T.float32(_ROUND), lanes), "float32", lanes)
        code = materialize(T.cast(shifted - fill(T.float32(_ROUND), lanes), of("int32", lanes)), "int32", lanes)
        sums = materialize(sums + code, "int32", lanes)
        T.buffer_store(q, T.cast(code, of("int8", lanes)), _place(q, row, g * group + j * lanes, lanes))
    T.buffer_store(scale, T.Select(max_abs > T.float32(SMALLEST), max_abs / T.float32(LARGEST), T.float32(0)), [row, g])
    if total is not None:
        T.buffer_store(total, horizontal_reduce(add, sums, "int32", lanes), [row, g])


def _place(q: Buffer, row: Scalar, k: Scalar, lanes: int) -> list[Scalar]:
    """Where the codes of inputs from `k` on lie, in rows or in tiles."""
    if len(q.shape) == 2:
        return [row, span(k, lanes)]
    return [row // SIDE, k // BYTES, row % SIDE, span(k % BYTES, lanes)]
