"""Quantizes the linear layers that share an input, by the Hessian of that input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from awq.method.bfloat16_products import tiled_products
from awq.method.error_propagation import Correction, corrected
from awq.method.gptq import gptq_quantize
from awq.method.hessian import COLUMNS, DampedHessian, Hessian
from awq.method.quantized_weight import QuantizedWeight
from awq.method.range_search import best_grid
from awq.method.refinement import refined
from awq.method.rounding import Grid, Scheme

VALUES = 3 << 20  # weights rounded at a time at most: a dozen tensors of that size are in memory then
ROWS = 2048  # rows rounded at a time at most: their strips stay in the cache
REVISIONS = 1  # rounds of refinement: KL 0.00303 without, 0.00292 with one, 0.00289 with two (docs/log/quantizer.md)


@dataclass
class SharedInput:
    """An input that linear layers share: statistics of its tokens, and the parts of the method that are used.

    Attributes:
        hessian: sums over the tokens that the layers read.
        correction: the errors to make good; None for no error propagation.
        search: search ranges.
        compensate: GPTQ and its refinement; otherwise rounding is to nearest.
    """

    hessian: Hessian
    correction: Correction | None = None
    search: bool = True
    compensate: bool = True
    _latest: tuple[int, DampedHessian] | None = field(default=None, repr=False)

    def quantize(self, weight: torch.Tensor, scheme: Scheme, first: int = 0) -> QuantizedWeight:
        """Quantize rows of one of the layers.

        Args:
            weight: float32 [N, K].
            scheme: how to round.
            first: number of the first of these rows within the layer.

        Returns:
            The rows in the types that are stored.
        """
        rows, inputs = weight.shape
        result = QuantizedWeight.empty(rows, inputs, inputs // scheme.group_size, weight.device)
        parts = list(row_parts(rows, self.hessian.spans[0].stop))
        grids = [self._grid_of_rows(weight[part], scheme) for part in parts]
        for block, span in enumerate(self.hessian.spans):
            groups = slice(span.start // scheme.group_size, max(1, span.stop // scheme.group_size))
            for part, grid in zip(parts, grids, strict=True):
                numbers = slice(first + part.start, first + part.stop)
                found = self._quantize_block(block, weight[part, span].T.contiguous(), numbers, scheme, grid).compact()
                result.codes[part, span] = found.codes
                result.zeros[part, groups] = found.zeros
                result.scales[part, groups] = found.scales
        if len(self.hessian.spans) > 1:  # the other layers begin with another block
            self._latest = None
        return result

    def _quantize_block(
        self, block: int, weight: torch.Tensor, rows: slice, scheme: Scheme, grid: Grid | None
    ) -> QuantizedWeight:
        """Quantize some rows, transposed, [k, n], for the inputs of one block."""
        hessian = self._damped(block)
        if self.correction is not None:
            with tiled_products():
                change = self.correction.weight_change(block, hessian, weight, rows)
            weight = corrected(weight, change, len(self.hessian.spans))
        quantized = gptq_quantize(weight.clone(), hessian, scheme, grid, search=self.search, compensate=self.compensate)
        if not self.compensate or grid is not None:
            return quantized
        return refined(quantized, weight, hessian.matrix, scheme, REVISIONS)

    def _damped(self, block: int) -> DampedHessian:
        """A block of the Hessian with what is derived from it, of which only the latest is kept."""
        if self._latest is None or self._latest[0] != block:
            self._latest = None
            self._latest = block, DampedHessian(self.hessian.blocks[block], self.hessian.tokens)
        return self._latest[1]

    def _grid_of_rows(self, weight: torch.Tensor, scheme: Scheme) -> Grid | None:
        """The grid of each row where a group is wider than what is rounded together: it is found before all else."""
        if scheme.group_size <= COLUMNS:
            return None
        diagonal = torch.cat([block.diagonal() for block in self.hessian.blocks])
        return best_grid(weight.T, diagonal if self.search else None, scheme)


def row_parts(rows: int, inputs: int) -> Iterator[slice]:
    """The rows of a weight, some at a time in multiples of 8, so that those with so many inputs take little memory."""
    step = min(ROWS, max(64, VALUES // inputs // 8 * 8))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
