"""How a kernel writes a group of int8 activations: scale = max|x| / 127, q = round(x / scale), and the sum of q."""

from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.primitives.amx import BYTES, SIDE
from tytvm.kernels.primitives.vector import add, ceildiv, fill, fold, hold, of, span, zeros

LARGEST = 127
SMALLEST = 1e-30  # a group below counts as zeros, so that 127 / max|x| stays finite
_ROUND = 12582912.0  # 1.5 * 2^23: adding it leaves the nearest integer (ties to even) in the low bits


def code_shape(R: int, K: int, tiled: bool) -> tuple[int, ...]:
    """Shape of the codes."""
    return (ceildiv(R, SIDE), K // BYTES, SIDE, BYTES) if tiled else (R, K)


def write_group(q: Any, scale: Any, total: Any, row: Any, g: Any, values: list[Any], lanes: int) -> None:
    """Writes group `g` of a row: codes, scale and sum of its `values` (float32 vectors of so many lanes)."""
    group = lanes * len(values)
    values = [hold(value, "float32", lanes) for value in values]
    largest = zeros("float32", lanes)
    for value in values:
        largest = hold(T.max(largest, T.max(value, zeros("float32", lanes) - value)), "float32", lanes)
    peak = hold(fold(T.max, largest, "float32", lanes), "float32", 1)
    factor = hold(T.Select(peak > T.float32(SMALLEST), T.float32(LARGEST) / peak, T.float32(0)), "float32", 1)
    sums = zeros("int32", lanes)
    for j, value in enumerate(values):
        shifted = hold(value * fill(factor, lanes) + fill(T.float32(_ROUND), lanes), "float32", lanes)
        code = hold(T.cast(shifted - fill(T.float32(_ROUND), lanes), of("int32", lanes)), "int32", lanes)
        sums = hold(sums + code, "int32", lanes)
        T.buffer_store(q, T.cast(code, of("int8", lanes)), _place(q, row, g * group + j * lanes, lanes))
    T.buffer_store(scale, T.Select(peak > T.float32(SMALLEST), peak / T.float32(LARGEST), T.float32(0)), [row, g])
    if total is not None:
        T.buffer_store(total, fold(add, sums, "int32", lanes), [row, g])


def _place(q: Any, row: Any, k: Any, lanes: int) -> list[Any]:
    """Where the codes of inputs from `k` on lie, in rows or in tiles."""
    if len(q.shape) == 2:
        return [row, span(k, lanes)]
    return [row // SIDE, k // BYTES, row % SIDE, span(k % BYTES, lanes)]
