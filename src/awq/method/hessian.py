"""The Hessian of a linear layer's squared error: all that rounding has to know of the tokens that the layer reads.

With inputs X [tokens, K], an error d of a row of the weight costs Σ (d·x)² = dᵀ·H·d, where H = XᵀX = Σ x·xᵀ over all
tokens: up to a factor of 2 the Hessian of that error, and so called since GPTQ (arXiv 2210.17323). Where K is large, H
is kept in blocks on its diagonal: one of 18944 × 18944 would take more memory than the layer, and from fewer tokens
than inputs most of it would be chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from awq.method.bfloat16_products import tiled_products
from tyllm_base.errors import CalibrationError

LARGEST_BLOCK = 6144  # inputs
LEAST_DAMPING = 0.01  # of the mean of the diagonal, as in GPTQ
MORE_DAMPING = (0.0, 0.1, 1.0, 10.0)  # tried in turn where float32 finds no root: at 10 there is one
LEAST_MEAN_SQUARE = 1e-20  # inputs whose squares are less on average count as this: H must have an inverse in float32
COLUMNS = 128  # inputs that are rounded together at most; blocks begin at multiples of it


def spans(inputs: int, unit: int = COLUMNS) -> list[slice]:
    """The fewest nearly equal blocks of at most `LARGEST_BLOCK` of so many inputs, divided at multiples of `unit`."""
    units = math.ceil(inputs / unit)
    count = math.ceil(inputs / LARGEST_BLOCK)
    edges = [min(inputs, units * part // count * unit) for part in range(count + 1)]
    return [slice(*edge) for edge in zip(edges, [*edges[1:-1], inputs], strict=False)]


@dataclass
class Hessian:
    """Sums over tokens for a linear layer with K inputs.

    Attributes:
        spans: the inputs of each block.
        blocks: sum of x·xᵀ within each block, float32 [k, k].
        tokens: how many tokens were summed.
    """

    spans: list[slice]
    blocks: list[torch.Tensor]
    tokens: int = 0

    @classmethod
    def empty(cls, inputs: int, device: torch.device) -> Hessian:
        """Sums of no tokens yet."""
        blocks = spans(inputs)
        return cls(blocks, [torch.zeros(s.stop - s.start, s.stop - s.start, device=device) for s in blocks])

    def accumulate(self, x: torch.Tensor) -> None:
        """Add the tokens of `x`, float32 [tokens, K]."""
        with tiled_products():
            for span, block in zip(self.spans, self.blocks, strict=True):
                block.addmm_(x[:, span].T, x[:, span])
        self.tokens += len(x)


@dataclass(frozen=True)
class DampedHessian:
    """One block of a Hessian, float32 [k, k], of so many tokens; the rest is computed when it is first asked for."""

    block: torch.Tensor
    tokens: int

    @cached_property
    def matrix(self) -> torch.Tensor:
        """H + λ·mean(diagonal)·I, float32 [k, k], where λ = inputs / tokens.

        The fewer tokens there are for an input, the more of a Hessian is chance in the directions that tokens vary in
        least. On the small trained model the best λ was 1 for 1,000 tokens, 0.2 for 4,000, 0.1 for 8,000, and GPTQ's
        0.01 would be right for the 260,000 that it takes (docs/log/quantizer.md).
        """
        damping = max(LEAST_DAMPING, len(self.block) / max(1, self.tokens))
        mean = self.block.diagonal().mean().clamp(min=LEAST_MEAN_SQUARE)
        return damped(self.block, damping * mean)

    @cached_property
    def root(self) -> torch.Tensor:
        """The upper triangular U [k, k] with H⁻¹ = Uᵀ·U, by which GPTQ spreads errors (arXiv 2210.17323, section 3.3).

        Raises:
            CalibrationError: activations are NaN or infinite.
        """
        mean = float(self.matrix.diagonal().mean())
        if not math.isfinite(mean):
            raise CalibrationError(
                f"The activations that {len(self.block)} inputs have are not finite; "
                "the checkpoint computes NaN or infinities on this calibration text."
            )
        for more in MORE_DAMPING:
            matrix = damped(self.matrix, more * mean) if more else self.matrix
            factor, failed = torch.linalg.cholesky_ex(matrix.flip(0, 1))
            if not failed:
                break
        del matrix
        factor = factor.flip(0, 1)  # R of H = R·Rᵀ, hence U = R⁻¹
        return torch.linalg.solve_triangular(factor, torch.eye(len(factor), device=factor.device), upper=True)

    def solve(self, right: torch.Tensor) -> torch.Tensor:
        """H⁻¹·right, float32 [k, n], for `right` float32 [k, n]."""
        return self.root.T @ (self.root @ right)


def damped(matrix: torch.Tensor, more: torch.Tensor | float) -> torch.Tensor:
    """A copy of `matrix` [k, k] with `more` added to its diagonal."""
    copy = matrix.clone()
    copy.diagonal().add_(more)
    return copy
