"""Rows of a quantized weight in NumPy: weight ≈ (codes − zeros) · scales, by groups of inputs.

In the shapes n is the number of rows (outputs), K of inputs, G of groups, each of K / G inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class QuantizedRows:
    """Rows of a quantized weight.

    Attributes:
        codes: uint8 [n, K].
        scales: float16 or float32 [n, G].
        zeros: uint8 [n, G], the codes that stand for 0.
    """

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[Any]
    zeros: npt.NDArray[np.uint8]

    @property
    def group_size(self) -> int:
        """Inputs that share a scale and a zero point."""
        return int(self.codes.shape[1] // self.scales.shape[1])

    def columns(self, start: int, stop: int, group_size: int) -> QuantizedRows:
        """Inputs [start, stop) only, by groups of `group_size`, which divides `start`, `stop` and the present size."""
        times, groups = self.group_size // group_size, slice(start // group_size, stop // group_size)
        scales, zeros = np.repeat(self.scales, times, axis=1), np.repeat(self.zeros, times, axis=1)
        return QuantizedRows(self.codes[:, start:stop], scales[:, groups], zeros[:, groups])

    @classmethod
    def joined(cls, parts: Sequence[QuantizedRows]) -> QuantizedRows:
        """The rows of all parts, one after the other; all have as many inputs and groups."""
        if len(parts) == 1:
            return parts[0]
        fields = ([getattr(part, name) for part in parts] for name in ("codes", "scales", "zeros"))
        return cls(*map(np.concatenate, fields))

    def dequantize(self) -> npt.NDArray[np.float32]:
        """The weights float32 [n, K] that the codes stand for, with nothing rounded."""
        groups = self.codes.reshape(*self.scales.shape, -1).astype(np.float32)
        groups -= self.zeros[..., None]
        groups *= self.scales[..., None]
        return groups.reshape(self.codes.shape)
