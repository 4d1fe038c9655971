"""Sensitivity: how much of each linear layer's output, and of the stream behind each layer, rounding has changed.

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
class Loss:
    """Sums over rows: how much of their output was `lost`, and how much there is in `total`."""

    hessian: Hessian | None
    lost: float = 0.0
    total: float = 0.0

    def add(self, weight: torch.Tensor, stored: torch.Tensor) -> None:
        """Take in rows [n, K] as they were, and as they are stored."""
        self.lost += self._energy(stored - weight)
        self.total += self._energy(weight)

    def _energy(self, rows: torch.Tensor) -> float:
        if self.hessian is None:
            return float(rows.square().sum())
        parts = ((rows[:, span], block) for span, block in zip(self.hessian.spans, self.hessian.blocks, strict=True))
        return sum(float(((part @ block) * part).sum()) for part, block in parts)

    @property
    def relative(self) -> float:
        """The share that was lost."""
        return self.lost / self.total if self.total > 0 else 0.0


def stride(rows: int) -> int:
    """Every so-manieth row tells a linear layer's error."""
    return max(1, rows // SAMPLED)


def stream_error(wanted: torch.Tensor, found: torch.Tensor) -> float:
    """Squared error of hidden states [n, T, H] as a share of each token's square, averaged over tokens."""
    shares = []
    for original, present in zip(wanted, found, strict=True):
        size = original.square().sum(-1).clamp(min=torch.finfo(torch.float32).tiny)
        shares.append(((present - original).square().sum(-1) / size).mean())
    return float(torch.stack(shares).mean())


def as_part(errors: Mapping[str, float]) -> dict[str, Array]:
    """Errors by name as the tensors of a part of the work folder."""
    return {name: np.array([value], np.float64) for name, value in errors.items()}


def from_part(file: Path) -> dict[str, float]:
    """What `as_part` was given; nothing if there is no file."""
    return {name: float(info.read()[0]) for name, info in read_header(file).items()} if file.exists() else {}
