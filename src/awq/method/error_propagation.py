"""Error propagation: a layer's weights are corrected so that they make good the errors of the layers before it.

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
    """The error in the output of a layer, as sums over tokens of input × error, and what takes it away."""

    def accumulate(self, x: torch.Tensor, other: torch.Tensor) -> None:
        """Add tokens, float32 [tokens, K], with what tells their error."""

    def weight_change(self, block: int, hessian: DampedHessian, weight: torch.Tensor, rows: slice) -> torch.Tensor:
        """H⁻¹·Σ x·error, float32 [k, n]: added to some rows it takes the error away, once all tokens are in.

        Args:
            block: which of `awq.method.hessian.spans`.
            hessian: H for the inputs of the block, the same whenever it is called for the block.
            weight: those rows transposed, for the inputs of the block, float32 [k, n].
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

    def accumulate(self, x: torch.Tensor, other: torch.Tensor) -> None:
        """Add tokens, float32 [tokens, K], as they are (`x`) and as the original model has them (`other`)."""
        difference = other - x
        with tiled_products():
            for span, block in zip(spans(x.shape[1]), self.blocks, strict=True):
                block.addmm_(x[:, span].T, difference[:, span])

    def weight_change(self, block: int, hessian: DampedHessian, weight: torch.Tensor, rows: slice) -> torch.Tensor:
        """The change of the rows, float32 [k, n], as `Correction` describes it."""
        if block not in self._solved:
            self.blocks[block] = hessian.solve(self.blocks[block])
            self._solved.add(block)
        return self.blocks[block] @ weight


@dataclass
class OutputCorrection:
    """The error of the residual stream that the layer adds to: `products`, the sum of x·errorᵀ, float32 [K, N]."""

    products: torch.Tensor

    @classmethod
    def empty(cls, inputs: int, outputs: int, device: torch.device) -> OutputCorrection:
        """Sums of no tokens yet."""
        return cls(torch.zeros(inputs, outputs, device=device))

    def accumulate(self, x: torch.Tensor, other: torch.Tensor) -> None:
        """Add tokens, float32 [tokens, K], with the error of the stream behind the layer, float32 [tokens, N]."""
        with tiled_products():
            self.products.addmm_(x.T, other)

    def weight_change(self, block: int, hessian: DampedHessian, weight: torch.Tensor, rows: slice) -> torch.Tensor:
        """The change of the rows, float32 [k, n], as `Correction` describes it."""
        return hessian.solve(self.products[spans(len(self.products))[block], rows])


def correction_for(inputs: int, outputs: int | None, device: torch.device) -> Correction:
    """An empty `OutputCorrection` where a layer's `outputs` are added to the stream, otherwise an `InputCorrection`."""
    return InputCorrection.empty(inputs, device) if outputs is None else OutputCorrection.empty(inputs, outputs, device)


def corrected(weight: torch.Tensor, change: torch.Tensor, blocks: int) -> torch.Tensor:
    """`weight` moved half of the way toward no error.

    Blocks of inputs do not know of each other, so each makes up for its part of the error only.

    Args:
        weight: transposed rows for the inputs of one block, float32 [k, n].
        change: the whole way, from `Correction.weight_change`, float32 [k, n].
        blocks: how many blocks the layer's inputs have.
    """
    return weight + STRENGTH / blocks * change
