"""MXFP4: codes of four bits by blocks of 32 that share a scale, a power of two (OCP Microscaling Formats 1.0, 2023).

A weight [experts, N, K] is two tensors: `…_blocks` uint8 [experts, N, K/32, 16], two codes a byte, the first in its low
half, and `…_scales` uint8 [experts, N, K/32].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BLOCKS, SCALES = "_blocks", "_scales"
"""Endings of the tensors' names, after that of the parameter."""
METHOD = "mxfp4"
"""What config.json calls it, as its quant_method."""
BLOCK = 32
_HALVES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
VALUES = np.concatenate([_HALVES, -_HALVES])
"""What a code stands for: E2M1, a sign, two bits of exponent and one of mantissa."""
BIAS, NAN = 127, 255
"""Of scales: what stands for one, and no number at all."""


def shapes(experts: int, outputs: int, inputs: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of the two tensors of a weight."""
    blocks = (experts, outputs, inputs // BLOCK)
    return (*blocks, BLOCK // 2), blocks


def decode(blocks: npt.NDArray[np.uint8], scales: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Values of codes uint8 [..., K/32, 16] and scales uint8 [..., K/32] (E8M0: 2 to the power of scale − 127).

    Returns:
        float32 [..., K], exact where float32 reaches; NaN in a block whose scale is 255.
    """
    pairs = np.stack([VALUES[blocks & 15], VALUES[blocks >> 4]], axis=-1)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused where values are checked
        powers = np.ldexp(np.float32(1), scales.astype(np.int32) - BIAS)
        powers[scales == NAN] = np.nan
        return (pairs * powers[..., None, None]).reshape(*blocks.shape[:-2], -1)
