"""The clip search: each group of a weight is clipped to the range in which its output suffers least from rounding.

AutoAWQ replays some tokens through every range (Lin et al., arXiv 2306.00978, section 4.1). Here the second moments of
the inputs stand for all tokens: with d = rounded − original and M = sum over tokens of x·xᵀ within the group, the
squared error of the output is dᵀ·M·d. That is cheap enough to try twice as many ranges.

In the shapes N is the number of outputs, K of inputs, g the group size, G = K / g the number of groups.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from awq.method.rounding import Scheme, round_groups

SHRINKS = [1 - step / 20 for step in range(10)]  # as AutoAWQ
VALUES = 1 << 18  # weights looked at in one go: they and their temporaries stay near the cache
UNCLIPPED = ("q_", "k_", "query", "key", "Wqkv")  # AutoAWQ's list: the product q·k is too sensitive to be clipped


def may_clip(name: str) -> bool:
    """Whether the linear layer `name` is clipped."""
    return not any(part in name for part in UNCLIPPED)


def clip_weight(weight: torch.Tensor, moments: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """`weight` with each group clipped to its best range, float32 [N, K].

    Args:
        weight: float32 [N, K].
        moments: second moments of the inputs by group, float32 [G, g, g].
        scheme: how the weight will be rounded.
    """
    rows = max(1, VALUES // weight.shape[1])
    return torch.cat([_clip_rows(part, moments, scheme) for part in weight.split(rows)])


def _clip_rows(weight: torch.Tensor, moments: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """`clip_weight` of a few rows."""
    groups = weight.unflatten(1, (-1, moments.shape[-1]))  # [N, G, g]
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    best_low, best_high, least = low, high, torch.full_like(low, float("inf"))
    for trial_low, trial_high in _trials(low, high):
        error = output_error(round_groups(torch.clamp(groups, trial_low, trial_high), scheme).sub_(groups), moments)
        better = error < least
        best_low, best_high = torch.where(better, trial_low, best_low), torch.where(better, trial_high, best_high)
        least = torch.where(better, error, least)
    return torch.clamp(groups, best_low, best_high).flatten(1)


def _trials(low: torch.Tensor, high: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ranges to try for groups from `low` to `high` [N, G, 1]: AutoAWQ's, alike on both sides, then narrower ones."""
    largest = torch.maximum(low.abs(), high.abs())
    for shrink in SHRINKS:
        yield torch.maximum(low, -shrink * largest), torch.minimum(high, shrink * largest)
    for shrink in SHRINKS[1:]:
        yield shrink * low, shrink * high


def output_error(difference: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """dᵀ·M·d of each group, float32 [N, G, 1], for `difference` float32 [N, G, g] and `moments` float32 [G, g, g]."""
    weighted = torch.bmm(difference.transpose(0, 1), moments).transpose(0, 1)
    return (weighted * difference).sum(-1, keepdim=True)
