# mypy: disable-error-code="valid-type,untyped-decorator"
"""Symmetric int8 activations by group: scale = max|x| / 127, q = round(x / scale), and the sum of q."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.primitives.amx import BYTES, SIDE
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.vector import add, ceildiv, fill, fold, hold, lanes_of, of, span, zeros
from tytvm.target import InstructionSet

_LARGEST = 127
_SMALLEST = 1e-30  # a group below counts as zeros, so that 127 / max|x| stays finite
_ROUND = 12582912.0  # 1.5 * 2^23: adding it leaves the nearest integer (ties to even) in the low bits


def build(spec: InstructionSet, R: int, K: int, group: int, tiled: bool = False) -> Any:
    """(x f32[R,K], q i8[R,K], scale f32[R,K/group], sum i32[R,K/group]).

    With `tiled`, for AMX, q is i8 [ceil(R/16),K/64,16,64], and there is no sum.
    """
    groups, lanes = K // group, lanes_of(group)

    @T.jit(private=True)
    def quantize_rows(
        x: T.Buffer((R, K), "float32"),
        q: T.Buffer(code_shape(R, K, tiled), "int8"),
        scale: T.Buffer((R, groups), "float32"),
        total: T.Optional(T.Buffer((R, groups), "int32")),
    ) -> None:
        for i in T.parallel(R * groups):
            r: T.let = i // groups
            g: T.let = i % groups
            values = T.meta_var([x[r, span(g * group + j * lanes, lanes)] for j in range(group // lanes)])
            write_group(q, scale, total, r, g, values, lanes)

    return quantize_rows.specialize(total=None) if tiled else quantize_rows.specialize()


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
    factor = hold(T.Select(peak > T.float32(_SMALLEST), T.float32(_LARGEST) / peak, T.float32(0)), "float32", 1)
    sums = zeros("int32", lanes)
    for j, value in enumerate(values):
        shifted = hold(value * fill(factor, lanes) + fill(T.float32(_ROUND), lanes), "float32", lanes)
        code = hold(T.cast(shifted - fill(T.float32(_ROUND), lanes), of("int32", lanes)), "int32", lanes)
        sums = hold(sums + code, "int32", lanes)
        T.buffer_store(q, T.cast(code, of("int8", lanes)), _place(q, row, g * group + j * lanes, lanes))
    T.buffer_store(scale, T.Select(peak > T.float32(_SMALLEST), peak / T.float32(_LARGEST), T.float32(0)), [row, g])
    if total is not None:
        T.buffer_store(total, fold(add, sums, "int32", lanes), [row, g])


def _place(q: Any, row: Any, k: Any, lanes: int) -> list[Any]:
    """Where the codes of inputs from `k` on lie, in rows or in tiles."""
    if len(q.shape) == 2:
        return [row, span(k, lanes)]
    return [row // SIDE, k // BYTES, row % SIDE, span(k % BYTES, lanes)]


def reference(
    x: npt.NDArray[np.float32], group: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """The same in NumPy: q, scale and sum."""
    grouped = x.reshape(len(x), -1, group)
    peak = np.asarray(np.abs(grouped).max(axis=-1), np.float32)
    peak[peak <= np.float32(_SMALLEST)] = 0
    factor = np.divide(np.float32(_LARGEST), peak, out=np.zeros_like(peak), where=peak > 0)
    q = np.asarray(np.rint(grouped * factor[..., None]), np.int8)
    return q.reshape(x.shape), peak / np.float32(_LARGEST), np.sum(q, axis=-1, dtype=np.int32)


def tiles(q: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Codes [R, K] in left tiles, rows that do not exist as zeros."""
    R, K = q.shape
    padded = np.zeros((ceildiv(R, SIDE) * SIDE, K), np.int8)
    padded[:R] = q
    return np.ascontiguousarray(padded.reshape(-1, SIDE, K // BYTES, BYTES).transpose(0, 2, 1, 3))


def cost(R: int, K: int, group: int, tiled: bool = False) -> Cost:
    """Operations and bytes."""
    written = size("int8", R, K) + size("float32", R, K // group) + (not tiled) * size("int32", R, K // group)
    return Cost({"float32": 4 * R * K}, size("float32", R, K), written)
