"""AutoAWQ's GEMM format in NumPy: eight 4-bit values of neighboring output channels in one int32.

With K inputs, N outputs and groups of g inputs a linear layer is `qweight` int32 [K, N/8], `qzeros` int32 [K/g, N/8]
and `scales` float16 [K/g, N], and means weight[n, k] = (q[k, n] - zero[k // g, n]) * scale[k // g, n].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hf_checkpoint.quantized_rows import QuantizedRows

ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # nibble i of an int32, from the lowest, holds the column ORDER[i] of its eight
PER_WORD = len(ORDER)

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.int32]


class PackedLinear(NamedTuple):
    """A quantized weight as AutoAWQ stores it; shapes as in the module's legend."""

    qweight: Words
    qzeros: Words
    scales: npt.NDArray[np.float16]


def pack(values: Bytes) -> Words:
    """Pack `values` uint8 [rows, N] in 0..15 into int32 [rows, N/8]; N must be a multiple of 8."""
    rows, columns = values.shape
    groups = values.reshape(rows, columns // PER_WORD, PER_WORD)
    words = np.zeros(groups.shape[:2], np.uint32)
    for nibble, column in enumerate(ORDER):
        words |= groups[:, :, column].astype(np.uint32) << np.uint32(4 * nibble)
    return words.view(np.int32)


def unpack(words: Words) -> Bytes:
    """The uint8 [rows, N] values in 0..15 of int32 [rows, N/8], the inverse of `pack`."""
    rows, columns = words.shape
    unsigned = words.view(np.uint32)
    values = np.empty((rows, columns, PER_WORD), np.uint8)
    for nibble, column in enumerate(ORDER):
        values[:, :, column] = (unsigned >> np.uint32(4 * nibble)) & np.uint32(15)
    return values.reshape(rows, columns * PER_WORD)


def pack_linear(q: Bytes, zeros: Bytes, scales: npt.NDArray[np.float16]) -> PackedLinear:
    """Pack `q` [N, K], `zeros` [N, K/g] in 0..15 and `scales` [N, K/g], all output channel first."""
    return PackedLinear(pack(q.T), pack(zeros.T), np.ascontiguousarray(scales.T))


def unpack_linear(packed: PackedLinear) -> QuantizedRows:
    """All rows of a packed weight, the inverse of `pack_linear`."""
    codes, zeros = (np.ascontiguousarray(unpack(words).T) for words in (packed.qweight, packed.qzeros))
    return QuantizedRows(codes, np.ascontiguousarray(packed.scales.T), zeros)
