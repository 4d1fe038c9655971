"""Rounding of a weight to 4 or 8 bits by groups of inputs: weight ≈ (q − zero) · scale.

In the shapes N is the number of outputs, K of inputs, g the group size, G = K / g the number of groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

SMALLEST = 2.0**-24  # float16's smallest positive number, so that no scale becomes zero
LARGEST = 65504.0  # float16's largest number: nothing beyond it can be stored or multiplied out
ROWS = 512  # rows rounded at a time: they and their temporaries stay in the cache


@dataclass(frozen=True)
class Scheme:
    """How one weight is rounded.

    Attributes:
        bits: of a code, 4 or 8.
        group_size: inputs that share a scale and a zero point; K where a whole row does.
        symmetric: the zero point is the middle code everywhere.
    """

    bits: int
    group_size: int
    symmetric: bool = False

    @property
    def levels(self) -> int:
        """The largest code; codes and zero points are in 0..levels."""
        return int(2**self.bits - 1)

    @property
    def middle(self) -> int:
        """The zero point of a symmetric weight."""
        return int(2 ** (self.bits - 1))


class Rounded(NamedTuple):
    """Integers `q` uint8 [N, K] and `zeros` uint8 [N, G], and `scales` float16 [N, G]."""

    q: torch.Tensor
    zeros: torch.Tensor
    scales: torch.Tensor

    def rows(self, rows: slice) -> Rounded:
        """Some rows only."""
        return Rounded(*(values[rows] for values in self))


def grid(groups: torch.Tensor, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point, float32 [..., 1], of `groups` [..., g]; what is beyond float16 is cut."""
    low, high = groups.amin(-1, keepdim=True).clamp_(-LARGEST, 0), groups.amax(-1, keepdim=True).clamp_(0, LARGEST)
    return grid_of_range(low, high, scheme)


def grid_of_range(low: torch.Tensor, high: torch.Tensor, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point, float32, of ranges from `low` ≤ 0 to `high` ≥ 0.

    The scale is a float16 number already, so that the integers are chosen for the scale that is stored. An asymmetric
    range always includes 0, since the zero point itself has to be a code. A symmetric one reaches 2^(bits − 1) − 1/2
    steps to both sides, as the compressed-tensors package has it.
    """
    if scheme.symmetric:
        scale = storable(torch.maximum(-low, high) * 2 / scheme.levels)
        return scale, torch.full_like(scale, scheme.middle)
    scale = storable((high - low) / scheme.levels)
    return scale, torch.round(-low / scale).clamp_(0, scheme.levels)


def storable(scale: torch.Tensor) -> torch.Tensor:
    """The positive float16 numbers nearest to `scale`, as float32."""
    return scale.clamp(SMALLEST, LARGEST).half().float()


def integers(groups: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, levels: int) -> torch.Tensor:
    """The codes 0..levels, as floats, that stand for `groups`."""
    return (groups / scale).round_().add_(zero).clamp_(0, levels)


def round_trip(groups: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """What is left of `groups` [..., g] after quantizing them."""
    scale, zero = grid(groups, scheme)
    return integers(groups, scale, zero, scheme.levels).sub_(zero).mul_(scale)


def round_weight(weight: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """`round_trip` of a whole `weight` [N, K], a few rows at a time."""
    result = torch.empty_like(weight)
    for start in range(0, len(weight), ROWS):
        rows = weight[start : start + ROWS]
        result[start : start + ROWS] = round_trip(rows.unflatten(1, (-1, scheme.group_size)), scheme).flatten(1)
    return result


def quantize_weight(weight: torch.Tensor, scheme: Scheme) -> Rounded:
    """Quantize `weight` float32 [N, K]."""
    parts = []
    for rows in weight.split(ROWS):
        groups = rows.unflatten(1, (-1, scheme.group_size))
        scale, zero = grid(groups, scheme)
        q = integers(groups, scale, zero, scheme.levels).flatten(1)
        parts.append((q.to(torch.uint8), zero.squeeze(-1).to(torch.uint8), scale.squeeze(-1).half()))
    return Rounded(*(torch.cat(column) for column in zip(*parts, strict=True)))


def dequantize(rounded: Rounded) -> torch.Tensor:
    """The float32 [N, K] weight that the integers stand for, exact."""
    groups = rounded.q.unflatten(1, (rounded.scales.shape[1], -1)).float()
    return groups.sub_(rounded.zeros[..., None].float()).mul_(rounded.scales[..., None].float()).flatten(1)
