"""Rounds the linear layers that read one tensor, by the Hessian of that tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from awq.method.bfloat16_products import tiled_products
from awq.method.error_propagation import Correction, corrected
from awq.method.gptq import Codes, Grid, round_weight
from awq.method.hessian import COLUMNS, DampedHessian, Hessian
from awq.method.range_search import best_grid
from awq.method.refinement import refined
from awq.method.rounding import Rounded, Scheme

VALUES = 3 << 20  # weights rounded at a time at most: a dozen tensors of that size are in memory then
ROWS = 2048  # rows rounded at a time at most: their strips stay in the cache
REVISIONS = 1  # rounds of refinement: KL 0.00303 without, 0.00292 with one, 0.00289 with two (docs/log/quantizer.md)


@dataclass
class SharedInput:
    """What is known of the inputs, and which parts of the method are used.

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

    def rounded(self, weight: torch.Tensor, scheme: Scheme, first: int = 0) -> Rounded:
        """Round a layer's rows from number `first` on: `weight` [N, K]."""
        rows, inputs = weight.shape
        groups = inputs // scheme.group_size
        codes = weight.new_empty((rows, inputs), dtype=torch.uint8)
        zeros = weight.new_empty((rows, groups), dtype=torch.uint8)
        scales = weight.new_empty((rows, groups), dtype=torch.float16)
        parts = list(row_parts(rows, self.hessian.spans[0].stop))
        grids = [self._whole_row(weight[part], scheme) for part in parts]
        for block, span in enumerate(self.hessian.spans):
            within = slice(span.start // scheme.group_size, max(1, span.stop // scheme.group_size))
            for part, grid in zip(parts, grids, strict=True):
                numbers = slice(first + part.start, first + part.stop)
                found = self._block(block, weight[part, span].T.contiguous(), numbers, scheme, grid)
                codes[part, span] = found.codes.T.to(torch.uint8)
                zeros[part, within] = found.zeros.T.to(torch.uint8)
                scales[part, within] = found.scales.T.half()
        if len(self.hessian.spans) > 1:  # other layers of the site begin with another block
            self._latest = None
        return Rounded(codes, zeros, scales)

    def _block(self, block: int, weight: torch.Tensor, rows: slice, scheme: Scheme, grid: Grid | None) -> Codes:
        """The codes of some rows, transposed, for the inputs of one block."""
        hessian = self._damped(block)
        if self.correction is not None:
            with tiled_products():
                change = self.correction.weight_change(block, hessian, weight, rows)
            weight = corrected(weight, change, len(self.hessian.spans))
        codes = round_weight(weight.clone(), hessian, scheme, grid, search=self.search, compensate=self.compensate)
        return refined(codes, weight, hessian.matrix, scheme, REVISIONS) if self.compensate and grid is None else codes

    def _damped(self, block: int) -> DampedHessian:
        """A block of the Hessian with what is derived from it, of which only the latest is kept."""
        if self._latest is None or self._latest[0] != block:
            self._latest = None
            self._latest = block, DampedHessian(self.hessian.blocks[block], self.hessian.tokens)
        return self._latest[1]

    def _whole_row(self, weight: torch.Tensor, scheme: Scheme) -> Grid | None:
        """The grid of each row where a group is wider than what is rounded together: it is found before all else."""
        if scheme.group_size <= COLUMNS:
            return None
        diagonal = torch.cat([block.diagonal() for block in self.hessian.blocks])
        return best_grid(weight.T, diagonal if self.search else None, scheme)


def row_parts(rows: int, inputs: int) -> Iterator[slice]:
    """The rows of a weight, some at a time in multiples of 8, so that those with so many inputs take little memory."""
    step = min(ROWS, max(64, VALUES // inputs // 8 * 8))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
