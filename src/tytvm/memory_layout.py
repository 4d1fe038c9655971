"""Where tensors lie in memory or a file: offsets from shapes, each a multiple of 64 bytes (a cache line, a vector)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tytvm.weights import TensorSpec

ALIGNMENT = 64


def bytes_of(spec: TensorSpec) -> int:
    """Size of a tensor, without padding."""
    return math.prod(spec.shape) * np.dtype(spec.dtype).itemsize


def aligned(size: int) -> int:
    """`size` rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class MemoryLayout:
    """Tensors one after the other: name → offset, and the bytes of all."""

    specs: Mapping[str, TensorSpec]
    offsets: Mapping[str, int]
    total: int


def lay_out(specs: Mapping[str, TensorSpec]) -> MemoryLayout:
    """Place tensors in the order given."""
    offsets, end = {}, 0
    for name, spec in specs.items():
        offsets[name] = end
        end += aligned(bytes_of(spec))
    return MemoryLayout(dict(specs), offsets, end)
