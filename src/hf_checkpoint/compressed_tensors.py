"""The `pack-quantized` format of the compressed-tensors package in NumPy: codes of neighboring inputs in one int32.

With N outputs, K inputs, groups of g inputs and b bits a linear layer is `weight_packed` int32 [N, ⌈K·b/32⌉],
`weight_scale` [N, K/g], `weight_shape` int64 [2] = (N, K) and, unless it is symmetric, `weight_zero_point` int32
[⌈N·b/32⌉, K/g]. It means weight[n, k] = (q[n, k] − zero[n, k // g]) · scale[n, k // g] with q and zero in 0..2^b − 1;
the zero of a symmetric layer is 2^(b − 1). The first code of an int32 is in its lowest bits.

Source: https://github.com/vllm-project/compressed-tensors, compressors/pack_quantized.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

PACKED, SCALE, SHAPE, ZERO = "weight_packed", "weight_scale", "weight_shape", "weight_zero_point"
WORD = np.dtype("<i4")

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.int32]
Arrays = dict[str, npt.NDArray[Any]]


def pack(values: Bytes, bits: int) -> Words:
    """Pack `values` uint8 [rows, n] of 4 or 8 bits into int32 [rows, ⌈n·bits/32⌉]; zeros fill the last word."""
    rows, count = values.shape
    padded = np.zeros((rows, -(-count * bits // 32) * (32 // bits)), np.uint8)
    padded[:, :count] = values
    whole = padded if bits == 8 else padded[:, ::2] | padded[:, 1::2] << np.uint8(4)
    return np.ascontiguousarray(whole).view(WORD).astype(np.int32, copy=False)


def unpack(words: Words, bits: int, count: int) -> Bytes:
    """The first `count` values of each row of `words`, uint8 [rows, count], the inverse of `pack`."""
    whole = np.ascontiguousarray(words, WORD).view(np.uint8)
    if bits == 8:
        return whole[:, :count]
    values = np.empty((len(whole), 2 * whole.shape[1]), np.uint8)
    values[:, ::2], values[:, 1::2] = whole & np.uint8(15), whole >> np.uint8(4)
    return values[:, :count]


def pack_rows(q: Bytes, zeros: Bytes | None, scales: npt.NDArray[np.float16], bits: int) -> Arrays:
    """The tensors of rows of a linear layer by their names, but for the shape.

    Args:
        q: codes [n, K]; n is a multiple of 8 unless these are the last rows.
        zeros: zero points [n, K/g], or None for a symmetric layer.
        scales: [n, K/g].
        bits: of a code, 4 or 8.
    """
    rows: Arrays = {PACKED: pack(q, bits), SCALE: scales}
    return rows if zeros is None else rows | {ZERO: np.ascontiguousarray(pack(zeros.T, bits).T)}


def bits_of(packed_columns: int, inputs: int) -> int | None:
    """The bits of a code in a `weight_packed` of so many columns, if they are 4 or 8."""
    return next((bits for bits in (4, 8) if packed_columns == -(-inputs * bits // 32)), None)
