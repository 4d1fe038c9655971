"""The range search: for each group of a weight the scale and zero point with which it suffers least from rounding.

Weights come transposed here, [g, n] for a group of n rows: its inputs are then the outer axis, along which groups are
rounded one input after the other, and all work is on long rows. Narrower ranges are tried as in AWQ's clipping (Lin et
al., arXiv 2306.00978, section 4.1), the cost of an error is GPTQ's (arXiv 2210.17323).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from awq.method.rounding import Grid, Scheme, grid_of_range, round_to_grid
from hf_checkpoint.finite_check import LARGEST

# Of the whole range, what is kept below and above zero; 24 or 80 trials found nothing better (docs/log/quantizer.md).
TRIALS = ((0.9, 0.9), (0.8, 0.8), (0.7, 0.7), (0.9, 1.0), (1.0, 0.9), (0.8, 0.9), (0.9, 0.8))


def whole_range(group: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The lowest and highest weight [n] of each column of `group` float32 [g, n], 0 included, clamped to float16."""
    return group.amin(0).clamp_(-LARGEST, 0), group.amax(0).clamp_(0, LARGEST)


def best_grid(group: torch.Tensor, metric: torch.Tensor | None, scheme: Scheme) -> Grid:
    """The grid that costs least, of those of the whole range and of the `TRIALS` within it.

    Args:
        group: transposed rows of a weight, one group of inputs, float32 [g, n].
        metric: the cost of an error d is dᵀ·metric·d, float32 [g, g], or its diagonal [g]; None means the whole range.
        scheme: how to round.

    Returns:
        Scales and zero points [n], one for each column of `group`.
    """
    low, high = whole_range(group)
    best = grid_of_range(low, high, scheme)
    if metric is None:
        return best
    least = rounding_cost(group, best, metric, scheme)
    for narrow_low, narrow_high in _trials(low, high, scheme):
        trial = grid_of_range(narrow_low, narrow_high, scheme)
        cost = rounding_cost(group, trial, metric, scheme)
        better = cost < least
        least = torch.where(better, cost, least)
        best = Grid(*(torch.where(better, new, old) for new, old in zip(trial, best, strict=True)))
    return best


def _trials(low: torch.Tensor, high: torch.Tensor, scheme: Scheme) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ranges within `low` to `high`, both [n], narrower on either side."""
    for below, above in TRIALS:
        if below == above or not scheme.symmetric:
            yield below * low, above * high


def rounding_cost(group: torch.Tensor, grid: Grid, metric: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """The cost of rounding each column of a group.

    Args:
        group: float32 [g, n].
        grid: scales and zero points [n].
        metric: as for `best_grid`, [g, g] or [g].
        scheme: how to round.

    Returns:
        float32 [n].
    """
    error = round_to_grid(group, grid, scheme.levels).sub_(group)
    weighted = metric[:, None] * error if metric.dim() == 1 else metric @ error
    return (weighted * error).sum(0)
