"""Asymmetric INT4 rounding of a weight by groups of inputs: weight ≈ (q − zero) · scale.

In the shapes N is the number of outputs, K of inputs, g the group size, G = K / g the number of groups.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

LEVELS = 15  # 4 bits: q and zero are in 0..15
SMALLEST_SCALE = 2.0**-24  # float16's smallest positive number, so that no scale becomes zero
ROWS = 512  # rows rounded at a time: they and their temporaries stay in the cache


class Rounded(NamedTuple):
    """Integers `q` uint8 [N, K] and `zeros` uint8 [N, G], and `scales` float16 [N, G]."""

    q: torch.Tensor
    zeros: torch.Tensor
    scales: torch.Tensor


def grid(groups: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point, float32 [..., 1], of `groups` [..., g].

    The range always includes 0, since the zero point itself has to lie in 0..15, and the scale is a float16 number
    already, so that the integers are chosen for the scale that is stored.
    """
    high = groups.amax(-1, keepdim=True).clamp_(min=0)
    low = groups.amin(-1, keepdim=True).clamp_(max=0)
    scale = ((high - low) / LEVELS).clamp_(min=SMALLEST_SCALE).half().float()
    return scale, torch.round(-low / scale).clamp_(0, LEVELS)


def integers(groups: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """The values 0..15, as floats, that stand for `groups`."""
    return (groups / scale).round_().add_(zero).clamp_(0, LEVELS)


def round_trip(groups: torch.Tensor) -> torch.Tensor:
    """What is left of `groups` [..., g] after quantising them."""
    scale, zero = grid(groups)
    return integers(groups, scale, zero).sub_(zero).mul_(scale)


def round_weight(weight: torch.Tensor, group_size: int) -> torch.Tensor:
    """`round_trip` of a whole `weight` [N, K], a few rows at a time."""
    result = torch.empty_like(weight)
    for start in range(0, len(weight), ROWS):
        rows = weight[start : start + ROWS]
        result[start : start + ROWS] = round_trip(rows.unflatten(1, (-1, group_size))).flatten(1)
    return result


def quantize_weight(weight: torch.Tensor, group_size: int) -> Rounded:
    """Quantise `weight` float32 [N, K] by groups of `group_size` inputs."""
    parts = []
    for rows in weight.split(ROWS):
        groups = rows.unflatten(1, (-1, group_size))
        scale, zero = grid(groups)
        q = integers(groups, scale, zero).flatten(1)
        parts.append((q.to(torch.uint8), zero.squeeze(-1).to(torch.uint8), scale.squeeze(-1).half()))
    return Rounded(*(torch.cat(column) for column in zip(*parts, strict=True)))
