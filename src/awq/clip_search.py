"""The clip search of AutoAWQ: each group of a weight is cut at the limit where its output suffers least from rounding.

AutoAWQ replays some tokens through every candidate. Here the second moments of the inputs stand for all tokens: with
d = rounded − original and M = sum over tokens of x·xᵀ within the group, the squared error of the output is dᵀ·M·d.
"""

from __future__ import annotations

import torch

from awq.rounding import round_trip

SHRINKS = [1 - step / 20 for step in range(10)]  # limits tried, as shares of the largest magnitude, as AutoAWQ
VALUES = 1 << 18  # weights looked at in one go: they and their temporaries stay near the cache
UNCLIPPED = ("q_", "k_", "query", "key", "Wqkv")  # AutoAWQ's list: the product q·k is too sensitive to be clipped


def may_clip(name: str) -> bool:
    """Whether the linear layer `name` is clipped."""
    return not any(part in name for part in UNCLIPPED)


def clip_weight(weight: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """`weight` float32 [N, K], each group cut at its best limit.

    Args:
        weight: rows of outputs.
        moments: second moments of the inputs by group, [K/g, g, g].
    """
    rows = max(1, VALUES // weight.shape[1])
    return torch.cat([_clip_rows(part, moments) for part in weight.split(rows)])


def _clip_rows(weight: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """`clip_weight` of a few rows."""
    groups = weight.unflatten(1, (-1, moments.shape[-1]))  # [N, G, g]
    limit = groups.abs().amax(-1, keepdim=True)
    best, least = limit.clone(), torch.full_like(limit, float("inf"))
    for shrink in SHRINKS:
        trial = limit * shrink
        error = output_error(round_trip(torch.clamp(groups, -trial, trial)).sub_(groups), moments)
        better = error < least
        best, least = torch.where(better, trial, best), torch.where(better, error, least)
    return torch.clamp(groups, -best, best).flatten(1)


def output_error(difference: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """dᵀ·M·d of each group: `difference` [N, G, g] and `moments` [G, g, g] give [N, G, 1]."""
    weighted = torch.bmm(difference.transpose(0, 1), moments).transpose(0, 1)
    return (weighted * difference).sum(-1, keepdim=True)
