# mypy: disable-error-code="valid-type,untyped-decorator"
"""float32 rows to bfloat16 in left tiles of AMX: row r and input k lie at [r // 16, k // 32, r % 16, k % 32]."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import Bfloat16
from tytvm.kernels.operators import Encode
from tytvm.kernels.primitives.amx import DEPTH, SIDE, bfloat16
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, ceildiv, materialize, span, zeros
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, K: int) -> PrimFunc:
    """(x f32[R,K], tiles u16[ceil(R/16),ceil(K/32),16,32]); inputs from K on are zeros, rows from R on are left."""

    @T.prim_func(private=True)
    def bfloat16_tiles(
        x: T.Buffer((R, K), "float32"), tiles: T.Buffer((ceildiv(R, SIDE), ceildiv(K, DEPTH), SIDE, DEPTH), "uint16")
    ) -> None:
        for row in T.parallel(R):
            for k in range(K // DEPTH):
                low = T.meta_var(materialize(x[row, span(k * DEPTH)]))
                high = T.meta_var(materialize(x[row, span(k * DEPTH + LANES)]))
                tiles[row // SIDE, k, row % SIDE, span(0, DEPTH)] = bfloat16(low, high)
            write_rest(x, tiles, row, K)

    return bfloat16_tiles


def write_rest(x: Buffer, tiles: Buffer, row: Scalar, K: int) -> None:
    """The inputs after the last whole tile, and zeros."""
    if K % DEPTH:
        halves = [materialize(up_to(x, [row], K, K // DEPTH * DEPTH + half * LANES)) for half in range(2)]
        T.buffer_store(tiles, bfloat16(*halves), [row // SIDE, K // DEPTH, row % SIDE, span(0, DEPTH)])


def up_to(x: Buffer, at: list[Scalar], end: int, start: int) -> Vector:
    """Sixteen neighbors from `start` on; zeros from `end` on."""
    if start + LANES <= end:
        return x[(*at, span(start))]
    if start >= end:
        return zeros()
    values = [x[(*at, start + lane)] if start + lane < end else T.float32(0) for lane in range(LANES)]
    return T.Shuffle(values, list(range(LANES)))


def reference(x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """In NumPy: x f32[R,K] → u16[ceil(R/16),ceil(K/32),16,32]; rows and inputs that do not exist are zeros."""
    R, K = x.shape
    padded = np.zeros((ceildiv(R, SIDE) * SIDE, ceildiv(K, DEPTH) * DEPTH), np.float32)
    padded[:R, :K] = x
    bits = padded.view(np.uint32)
    halves = ((bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.ascontiguousarray(halves.reshape(-1, SIDE, ceildiv(K, DEPTH), DEPTH).transpose(0, 2, 1, 3))


def cost(R: int, K: int) -> Cost:
    """Operations and bytes."""
    return Cost(
        {"float32": R * K}, size("float32", R, K), size("uint16", ceildiv(R, SIDE) * SIDE, ceildiv(K, DEPTH) * DEPTH)
    )


def accepts(target: KernelTarget, operator: Encode) -> Specialization | None:
    """bfloat16."""
    if not isinstance(operator.encoding, Bfloat16):
        return None
    shape = (operator.rows, operator.width)
    return Specialization(symbol("bfloat16_tiles", *shape), shape, rows=operator.rows)


KERNEL = Kernel(Encode, accepts, build, cost, reference, WorkKind.ROWWISE)
