"""A quantized weight in torch: weight ≈ (codes − zeros) · scales, by groups of inputs.

In the shapes N is the number of outputs, K of inputs, g the group size, G = K / g the number of groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hf_checkpoint.quantized_rows import QuantizedRows


@dataclass(frozen=True)
class QuantizedWeight:
    """A quantized weight, or some of its rows.

    While codes are being searched all three are float32 and may be transposed in memory; `compact` gives the types that
    are stored.

    Attributes:
        codes: whole numbers [N, K], uint8 or float32.
        scales: float16 numbers [N, G], float16 or float32.
        zeros: the codes that stand for 0, [N, G], uint8 or float32.
    """

    codes: torch.Tensor
    scales: torch.Tensor
    zeros: torch.Tensor

    @classmethod
    def empty(cls, outputs: int, inputs: int, groups: int, device: torch.device) -> QuantizedWeight:
        """A weight [N, K] with G groups in the types that are stored, its values not set."""
        return cls(
            torch.empty((outputs, inputs), dtype=torch.uint8, device=device),
            torch.empty((outputs, groups), dtype=torch.float16, device=device),
            torch.empty((outputs, groups), dtype=torch.uint8, device=device),
        )

    @classmethod
    def concatenated(cls, parts: Sequence[QuantizedWeight]) -> QuantizedWeight:
        """The rows of all `parts`, one after the other."""
        fields = zip(*((part.codes, part.scales, part.zeros) for part in parts), strict=True)
        return cls(*(torch.cat(values) for values in fields))

    def select_rows(self, rows: slice) -> QuantizedWeight:
        """Some rows only."""
        return QuantizedWeight(self.codes[rows], self.scales[rows], self.zeros[rows])

    def steps(self) -> torch.Tensor:
        """Codes − zeros by group, float32 [N, G, g]."""
        return self._groups().sub_(self.zeros[..., None].float())

    def dequantize(self) -> torch.Tensor:
        """The weight float32 [N, K] that the codes stand for, with nothing rounded."""
        scales, zeros = self.scales[..., None].float(), self.zeros[..., None].float()
        return dequantize_in_place(self._groups(), scales, zeros).flatten(1)

    def _groups(self) -> torch.Tensor:
        """A copy of the codes by group, float32 [N, G, g]."""
        return self.codes.unflatten(1, (self.scales.shape[1], -1)).to(torch.float32, copy=True)

    def compact(self) -> QuantizedWeight:
        """The same in the types that are stored: uint8, float16, uint8."""
        return QuantizedWeight(self.codes.to(torch.uint8), self.scales.to(torch.float16), self.zeros.to(torch.uint8))

    def to_numpy(self) -> QuantizedRows:
        """The same on the CPU as NumPy arrays; the weight must be compact."""
        return QuantizedRows(*(values.cpu().numpy() for values in (self.codes, self.scales, self.zeros)))


def dequantize_in_place(codes: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """`codes`, float32 of any shape, turned into (codes − zero) · scale; `scale` and `zero` broadcast to them."""
    return codes.sub_(zero).mul_(scale)
