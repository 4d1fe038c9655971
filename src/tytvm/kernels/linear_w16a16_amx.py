# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer with float16 weights and many rows, both rounded to bfloat16, on AMX tiles; summed in float32."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.amx import DEPTH, SIDE, bfloat16
from tytvm.kernels.cost import Cost, size
from tytvm.kernels.linear_w16a16 import pack, unpack
from tytvm.kernels.tile_product import TileProduct
from tytvm.kernels.vector import LANES, ceildiv, hold, of, prefetch, span
from tytvm.target import InstructionSet

__all__ = ["build", "cost", "pack", "reference", "unpack"]


def build(spec: InstructionSet, R: int, K: int, N: int, with_bias: bool = False) -> Any:
    """(x u16[ceil(R/16),K/32,16,32], weight f16[ceil(N/16),K,16], [bias f32[N]], out f32[R,N]).

    Args:
        spec: The CPU; it has tiles.
        R: Rows of activations; they are bfloat16 in left tiles, where rows from R on may hold anything.
        K: Inputs, a multiple of 32.
        N: Outputs.
        with_bias: Whether there is a bias.
    """
    shape = TileProduct(R, K, N)

    @T.jit(private=True)
    def linear_w16a16_amx(
        x: T.Buffer((shape.row_tiles, shape.steps, SIDE, DEPTH), "uint16"),
        weight: T.Buffer((ceildiv(N, LANES), K, LANES), "float16"),
        bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((R, N), "float32"),
    ) -> None:
        for piece in T.parallel(shape.pieces):
            decoded = T.meta_var(lambda *place: decode(weight, *place))
            shape.multiply(piece, x, bias, out, decoded)

    return linear_w16a16_amx.specialize() if with_bias else linear_w16a16_amx.specialize(bias=None)


def decode(weight: Any, right: Any, k: Any, step: Any, block: Any, b: int) -> None:
    """Makes a right tile of 32 inputs of sixteen channels; asks for the pair of blocks that comes next."""
    turns = [lane // 2 + lane % 2 * LANES for lane in range(2 * LANES)]
    for row in range(SIDE):
        first = step * DEPTH + 2 * row
        prefetch(weight, [block, first, 0], 2 * weight.shape[1] * LANES * 2, level=2)
        low, high = (hold(T.cast(weight[block, first + i, span(0)], of("float32"))) for i in range(2))
        pairs = T.Shuffle([hold(bfloat16(low, high), "uint16", 2 * LANES)], turns)
        T.buffer_store(right, pairs, [k, b, span(row * DEPTH, DEPTH)])


def reference(
    x: npt.NDArray[np.float32], weight: npt.NDArray[np.float16], bias: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """The same in NumPy: x [R, K] and an unpacked weight [N, K], rounded, multiplied in float64."""
    out = rounded(x).astype(np.float64) @ rounded(weight.astype(np.float32)).T
    return np.asarray(out if bias is None else out + bias, np.float32)


def rounded(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The nearest bfloat16, ties to even."""
    bits = x.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def cost(R: int, K: int, N: int, with_bias: bool = False) -> Cost:
    """Operations and bytes."""
    read = size("uint16", R, K) + size("float16", ceildiv(N, LANES), K, LANES) + size("float32", N * with_bias)
    return Cost({"bfloat16": 2 * R * K * N}, read, size("float32", R, N))
