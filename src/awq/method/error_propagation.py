"""Error propagation: a layer's weights are moved toward what makes good the errors of those before it.

A layer reads x where the original model has y. Its rows w should give wᵀ·y; the weights nearest to that on the tokens
seen are w + H⁻¹·Σ x·(wᵀ·y − wᵀ·x), to which rounding then applies (QEP, Arai and Ichikawa, arXiv 2504.09629; GPTAQ,
Li et al., arXiv 2504.02692). A layer whose output is added to the residual stream can take away the errors that the
stream has already. Half of the way there is best (QEP's α; docs/log/quantizer.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch

from awq.method.bfloat16_products import tiled_products
from awq.method.hessian import DampedHessian, spans

STRENGTH = 0.5


class Correction(Protocol):
    """How far the output of a layer is from the original's, as sums over tokens of input × error."""

    def add(self, x: torch.Tensor, other: torch.Tensor) -> None:
        """Take in tokens [tokens, K] with what tells their error."""

    def weight_change(self, block: int, hessian: DampedHessian, weight: torch.Tensor, rows: slice) -> torch.Tensor:
        """H⁻¹·Σ x·error, [k, n]: what to add to some rows for the error to go, once all tokens are in.

        Args:
            block: which of `awq.method.hessian.spans`.
            hessian: H for the inputs of the block, the same whenever it is asked about the block.
            weight: those rows transposed, for the inputs of the block, [k, n].
            rows: their numbers.
        """


@dataclass
class InputCorrection:
    """The error of reading x instead of y: sums of x·(y − x)ᵀ by block, [k, k], from which any row's error follows."""

    blocks: list[torch.Tensor]
    _solved: set[int] = field(default_factory=set)

    @classmethod
    def empty(cls, inputs: int, device: torch.device) -> InputCorrection:
        """Sums of no tokens yet."""
        return cls([torch.zeros(s.stop - s.start, s.stop - s.start, device=device) for s in spans(inputs)])

    def add(self, x: torch.Tensor, other: torch.Tensor) -> None:
        """Take in tokens [tokens, K] as they are, and as they should be."""
        difference = other - x
        with tiled_products():
            for span, block in zip(spans(x.shape[1]), self.blocks, strict=True):
                block.addmm_(x[:, span].T, difference[:, span])

    def weight_change(self, block: int, hessian: DampedHessian, weight: torch.Tensor, rows: slice) -> torch.Tensor:
        """As `Correction`."""
        if block not in self._solved:
            self.blocks[block] = hessian.solve(self.blocks[block])
            self._solved.add(block)
        return self.blocks[block] @ weight


@dataclass
class OutputCorrection:
    """The error of the stream that the layer adds to: the sum of x·errorᵀ, [K, N]."""

    total: torch.Tensor

    @classmethod
    def empty(cls, inputs: int, outputs: int, device: torch.device) -> OutputCorrection:
        """Sums of no tokens yet."""
        return cls(torch.zeros(inputs, outputs, device=device))

    def add(self, x: torch.Tensor, other: torch.Tensor) -> None:
        """Take in tokens [tokens, K] with the error of the stream behind the layer, [tokens, N]."""
        with tiled_products():
            self.total.addmm_(x.T, other)

    def weight_change(self, block: int, hessian: DampedHessian, weight: torch.Tensor, rows: slice) -> torch.Tensor:
        """As `Correction`."""
        return hessian.solve(self.total[spans(len(self.total))[block], rows])


def correction_for(inputs: int, outputs: int | None, device: torch.device) -> Correction:
    """An empty `OutputCorrection` where a layer's `outputs` are added to the stream, otherwise an `InputCorrection`."""
    return InputCorrection.empty(inputs, device) if outputs is None else OutputCorrection.empty(inputs, outputs, device)


def corrected(weight: torch.Tensor, change: torch.Tensor, blocks: int) -> torch.Tensor:
    """`weight` [k, n], transposed rows for one of a layer's `blocks` of inputs, half of the way toward no error.

    Blocks do not know of each other, so each makes up for its part of the error only.
    """
    return weight + STRENGTH / blocks * change
