"""The range search: for each group of a weight the scale and zero point with which it suffers least from rounding.

Weights come transposed here, [g, n] for a group of n rows: its inputs are then the outer axis, along which groups are
rounded one input after the other, and all work is on long rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from awq.method.rounding import LARGEST, Scheme, grid_of_range, integers

# Of the whole range, what is kept below and above zero; 24 or 80 trials found nothing better (docs/log/quantizer.md).
TRIALS = ((0.9, 0.9), (0.8, 0.8), (0.7, 0.7), (0.9, 1.0), (1.0, 0.9), (0.8, 0.9), (0.9, 0.8))


def widest(group: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The lowest and highest weight [n] of each column of `group` [g, n], 0 included, cut to float16."""
    return group.amin(0).clamp_(-LARGEST, 0), group.amax(0).clamp_(0, LARGEST)


def best_grid(group: torch.Tensor, metric: torch.Tensor | None, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point [n] for each column of `group` [g, n].

    Args:
        group: transposed rows of a weight, one group of inputs.
        metric: the cost of an error d is dᵀ·metric·d, [g, g], or its diagonal [g]; None means the whole range.
        scheme: how to round.
    """
    low, high = widest(group)
    scale, zero = grid_of_range(low, high, scheme)
    if metric is None:
        return scale, zero
    least = cost(group, scale, zero, metric, scheme)
    for shrunken_low, shrunken_high in _trials(low, high, scheme):
        trial = grid_of_range(shrunken_low, shrunken_high, scheme)
        error = cost(group, *trial, metric, scheme)
        better = error < least
        least = torch.where(better, error, least)
        scale, zero = torch.where(better, trial[0], scale), torch.where(better, trial[1], zero)
    return scale, zero


def _trials(low: torch.Tensor, high: torch.Tensor, scheme: Scheme) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ranges within `low` to `high`, narrower on either side."""
    for below, above in TRIALS:
        if below == above or not scheme.symmetric:
            yield below * low, above * high


def cost(
    group: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, metric: torch.Tensor, scheme: Scheme
) -> torch.Tensor:
    """What rounding each column of `group` [g, n] with that scale and zero point costs, [n]."""
    error = integers(group, scale, zero, scheme.levels).sub_(zero).mul_(scale).sub_(group)
    weighted = metric[:, None] * error if metric.dim() == 1 else metric @ error
    return (weighted * error).sum(0)
