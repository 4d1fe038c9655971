"""How much of each linear layer's output, and of the residual stream behind each decoder layer, rounding has changed.

With the Hessian H of what a linear layer reads, rounding W to Ŵ changes its output by tr((W − Ŵ)·H·(W − Ŵ)ᵀ) of
tr(W·H·Wᵀ) (awq.method.hessian). Without activations H is taken as 1: the change of the weight itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from awq.method.hessian import Hessian
from hf_checkpoint.safetensors_file import Array, read_header

SAMPLED = 256  # rows of a linear layer, evenly spread, that tell its error
LAYER = "layer"


@dataclass
class RelativeError:
    """The relative squared error of a linear layer, from sums over its rows.

    Attributes:
        hessian: of what the layer reads; None for the error of the weight itself.
        error: sum of the squared errors of the output.
        output: sum of the squares of the output.
    """

    hessian: Hessian | None
    error: float = 0.0
    output: float = 0.0

    def accumulate(self, weight: torch.Tensor, rounded: torch.Tensor) -> None:
        """Add rows as they were and as they are stored, both float32 [n, K]."""
        self.error += self._squared_output(rounded - weight)
        self.output += self._squared_output(weight)

    def _squared_output(self, rows: torch.Tensor) -> float:
        if self.hessian is None:
            return float(rows.square().sum())
        parts = ((rows[:, span], block) for span, block in zip(self.hessian.spans, self.hessian.blocks, strict=True))
        return sum(float(((part @ block) * part).sum()) for part, block in parts)

    @property
    def share(self) -> float:
        """The squared error as a share of the squared output; 0 where there is no output."""
        return self.error / self.output if self.output > 0 else 0.0


def sampling_step(rows: int) -> int:
    """Of so many rows, each that has a multiple of this as its number tells a linear layer's error."""
    return max(1, rows // SAMPLED)


def stream_error(original: torch.Tensor, rounded: torch.Tensor) -> float:
    """Squared error of hidden states float32 [n, T, H] as a share of each token's square, averaged over tokens."""
    shares = []
    for wanted, found in zip(original, rounded, strict=True):
        size = wanted.square().sum(-1).clamp(min=torch.finfo(torch.float32).tiny)
        shares.append(((found - wanted).square().sum(-1) / size).mean())
    return float(torch.stack(shares).mean())


def as_part(errors: Mapping[str, float]) -> dict[str, Array]:
    """Errors by name as the tensors of a part of the work folder, each float64 [1]."""
    return {name: np.array([value], np.float64) for name, value in errors.items()}


def from_part(file: Path) -> dict[str, float]:
    """The errors that `as_part` was given; none if there is no file."""
    return {name: float(info.read()[0]) for name, info in read_header(file).items()} if file.exists() else {}
