# mypy: disable-error-code="valid-type,untyped-decorator"
"""float32 rows to bfloat16 in left tiles of AMX: row r and input k lie at [r // 16, k // 32, r % 16, k % 32]."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.amx import DEPTH, SIDE, bfloat16
from tytvm.kernels.cost import Cost, size
from tytvm.kernels.vector import LANES, ceildiv, hold, span
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, K: int) -> Any:
    """(x f32[R,K], tiles u16[ceil(R/16),K/32,16,32]); K is a multiple of 32, rows from R on are left as they are."""

    @T.prim_func(private=True)
    def bfloat16_tiles(
        x: T.Buffer((R, K), "float32"), tiles: T.Buffer((ceildiv(R, SIDE), K // DEPTH, SIDE, DEPTH), "uint16")
    ) -> None:
        for row in T.parallel(R):
            for k in range(K // DEPTH):
                low = T.meta_var(hold(x[row, span(k * DEPTH)]))
                high = T.meta_var(hold(x[row, span(k * DEPTH + LANES)]))
                tiles[row // SIDE, k, row % SIDE, span(0, DEPTH)] = bfloat16(low, high)

    return bfloat16_tiles


def reference(x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """The same in NumPy; rows that do not exist are zeros."""
    R, K = x.shape
    padded = np.zeros((ceildiv(R, SIDE) * SIDE, K), np.float32)
    padded[:R] = x
    bits = padded.view(np.uint32)
    halves = ((bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.ascontiguousarray(halves.reshape(-1, SIDE, K // DEPTH, DEPTH).transpose(0, 2, 1, 3))


def cost(R: int, K: int) -> Cost:
    """Operations and bytes."""
    return Cost({"float32": R * K}, size("float32", R, K), size("uint16", ceildiv(R, SIDE) * SIDE, K))
