"""Layout of an INT4 weight [N, K] with one scale and zero per group of inputs: weight ≈ (code − zero) · scale.

`weight` u8 [ceil(N/16), K/8, 64]: byte 4c + j of a row of 64 holds, for channel c of sixteen, input j of eight in its
low nibble and input 4 + j in its high one, so that one load, a mask and a shift feed two `dp4a`. `scale` f16 and `zero`
u8 are [ceil(N/16), K/group, 16]. Channels that do not exist have scale 0.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import WeightLayout
from tytvm.kernels.primitives.cost import size
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, ceildiv, fill, materialize, prefetch, span
from tytvm.target import InstructionSet
from tytvm.weights import INT4_INPUTS, W4

CODES = INT4_INPUTS  # inputs of a channel in one 64-byte row
FEW_ROWS = 16  # rows of activations up to which prefetching the weight pays: see docs/log/linear_kernels.md
ROW = LANES * CODES // 2
_NIBBLES = 0x0F0F0F0F
_PREFETCH_BYTES = 2048  # bytes: measured, see docs/log/linear_kernels.md


def shapes(K: int, N: int, group: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the packed tensors."""
    return {name.removeprefix("."): spec.shape for name, spec in W4(N, K, group).tensors().items()}


def size_of(K: int, N: int, group: int) -> int:
    """Bytes of the packed tensors."""
    return sum(size(spec.dtype, *spec.shape) for spec in W4(N, K, group).tensors().values())


def pack(
    codes: npt.NDArray[np.uint8], scales: npt.NDArray[np.float16], zeros: npt.NDArray[np.uint8]
) -> dict[str, npt.NDArray[Any]]:
    """Codes u8[N,K] of 0..15, scales f16 and zeros u8 [N,K/group] in the kernels' layout, by the names of `shapes`."""
    N, K = codes.shape
    blocks = ceildiv(N, LANES)
    words = _padded(codes, blocks).view(np.uint32).reshape(blocks, LANES, K // CODES, 2)
    rows = (words[..., 0] | words[..., 1] << np.uint32(4)).transpose(0, 2, 1)
    return {
        "weight": np.ascontiguousarray(rows).view(np.uint8).reshape(blocks, K // CODES, ROW),
        "scale": _sixteens(scales, blocks),
        "zero": _sixteens(zeros, blocks),
    }


def unpack(
    packed: dict[str, npt.NDArray[Any]], N: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16], npt.NDArray[np.uint8]]:
    """Of what `pack` made: codes u8[N,K], scales f16[N,K/group], zeros u8[N,K/group]."""
    weight = packed["weight"]
    blocks, rows, _ = weight.shape
    channels = weight.reshape(blocks, rows, LANES, 4).transpose(0, 2, 1, 3)
    codes = np.stack([channels & 15, channels >> 4], axis=3).reshape(blocks * LANES, rows * CODES)[:N]
    scale, zero = (packed[name].transpose(0, 2, 1) for name in ("scale", "zero"))
    return codes, scale.reshape(blocks * LANES, -1)[:N], zero.reshape(blocks * LANES, -1)[:N]


def dequantize(
    codes: npt.NDArray[np.uint8], scales: npt.NDArray[np.float16], zeros: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """(code − zero) · scale of codes u8[N,K], scales f16 and zeros u8 [N,K/group] → f32[N,K]."""
    group = codes.shape[1] // scales.shape[1]
    zero, scale = (np.repeat(each.astype(np.float32), group, axis=1) for each in (zeros, scales))
    return (codes.astype(np.float32) - zero) * scale


def prefetch_weight(weight: Buffer, block: Scalar, row: Scalar) -> None:
    """Prefetches a row of the weight some rows before its use: with one row of activations, memory sets the pace."""
    prefetch(weight, [block, row, 0], _PREFETCH_BYTES)


def nibbles(weight: Buffer, block: Scalar, row: Scalar) -> tuple[Vector, Vector]:
    """Inputs 0–3 and inputs 4–7 of sixteen channels, a byte each, four bytes to a lane: two int32x16."""
    word = materialize(T.reinterpret("int32x16", weight[block, row, span(0, ROW)]), "int32")
    mask = fill(T.int32(_NIBBLES))
    return materialize(word & mask, "int32"), materialize((word >> fill(T.int32(4))) & mask, "int32")


def floats(spec: InstructionSet, word: Vector, i: int) -> Vector:
    """Input `i` of eight, for the sixteen channels of a row of the weight (int32x16), as float32x16."""
    shifted = word >> fill(T.int32(i % 4 * 8 + i // 4 * 4))
    if spec.vector_bytes == 64:
        # A permutation looks only at the low four bits of an index, so it masks and converts at once.
        table = T.Shuffle([T.float32(code) for code in range(LANES)], list(range(LANES)))
        return materialize(T.call_llvm_pure_intrin("float32x16", "llvm.x86.avx512.permvar.sf.512", table, shifted))
    return materialize(T.cast(shifted & fill(T.int32(15)), "float32x16"))


def _padded(tensor: npt.NDArray[Any], blocks: int) -> npt.NDArray[Any]:
    """[N, ...] with rows of zeros up to a whole number of blocks, contiguous."""
    if len(tensor) == blocks * LANES:
        return np.ascontiguousarray(tensor)
    padded = np.zeros((blocks * LANES, *tensor.shape[1:]), tensor.dtype)
    padded[: len(tensor)] = tensor
    return padded


def _sixteens(tensor: npt.NDArray[Any], blocks: int) -> npt.NDArray[Any]:
    """[N, G] as [blocks, G, 16]."""
    return np.ascontiguousarray(_padded(tensor, blocks).reshape(blocks, LANES, -1).transpose(0, 2, 1))


LAYOUT = WeightLayout(pack, unpack)
