"""Rounding of a weight to 4 or 8 bits by groups of inputs: weight ≈ (code − zero) · scale.

In the shapes N is the number of outputs, K of inputs, g the group size, G = K / g the number of groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from awq.method.quantized_weight import QuantizedWeight, dequantize_in_place
from hf_checkpoint.finite_check import LARGEST

SMALLEST = 2.0**-24  # float16's smallest positive number, so that no scale becomes zero
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


class Grid(NamedTuple):
    """The numbers that codes stand for: scale and zero point as float32, each of any shape, both of the same."""

    scale: torch.Tensor
    zero: torch.Tensor


def grid_of_groups(groups: torch.Tensor, scheme: Scheme) -> Grid:
    """The grid of the whole range of each group.

    Args:
        groups: float32 [..., g]; what is beyond float16 is clamped.
        scheme: how to round.

    Returns:
        Scales and zero points float32 [..., 1].
    """
    low, high = groups.amin(-1, keepdim=True).clamp_(-LARGEST, 0), groups.amax(-1, keepdim=True).clamp_(0, LARGEST)
    return grid_of_range(low, high, scheme)


def grid_of_range(low: torch.Tensor, high: torch.Tensor, scheme: Scheme) -> Grid:
    """The grid of ranges from `low` ≤ 0 to `high` ≥ 0, float32 tensors of one shape, which the grid has too.

    The scale is a float16 number already, so that codes are chosen for the scale that is stored. An asymmetric range
    always includes 0, since the zero point itself has to be a code. A symmetric one reaches 2^(bits − 1) − 1/2 steps to
    both sides, as the compressed-tensors package has it.
    """
    if scheme.symmetric:
        scale = nearest_float16(torch.maximum(-low, high) * 2 / scheme.levels)
        return Grid(scale, torch.full_like(scale, scheme.middle))
    scale = nearest_float16((high - low) / scheme.levels)
    return Grid(scale, torch.round(-low / scale).clamp_(0, scheme.levels))


def nearest_float16(scale: torch.Tensor) -> torch.Tensor:
    """The positive float16 numbers nearest to `scale`, float32 of any shape, as float32."""
    return scale.clamp(SMALLEST, LARGEST).to(torch.float16).float()


def nearest_codes(weight: torch.Tensor, grid: Grid, levels: int) -> torch.Tensor:
    """The codes 0..levels that are nearest to `weight`.

    Args:
        weight: float32 of any shape.
        grid: scales and zero points of a shape that broadcasts to it.
        levels: the largest code.

    Returns:
        Whole numbers as float32 in the shape of `weight`.
    """
    return (weight / grid.scale).round_().add_(grid.zero).clamp_(0, levels)


def round_to_grid(weight: torch.Tensor, grid: Grid, levels: int) -> torch.Tensor:
    """`weight`, float32 of any shape, rounded to the numbers that its `nearest_codes` stand for."""
    return dequantize_in_place(nearest_codes(weight, grid, levels), grid.scale, grid.zero)


def round_groups(groups: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """`groups` float32 [..., g], each rounded to the grid of its whole range."""
    return round_to_grid(groups, grid_of_groups(groups, scheme), scheme.levels)


def round_to_nearest(weight: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """`round_groups` of all groups of `weight` float32 [N, K], a few rows at a time; the result is float32 [N, K]."""
    result = torch.empty_like(weight)
    for start in range(0, len(weight), ROWS):
        rows = weight[start : start + ROWS]
        result[start : start + ROWS] = round_groups(rows.unflatten(1, (-1, scheme.group_size)), scheme).flatten(1)
    return result


def quantize_to_nearest(weight: torch.Tensor, scheme: Scheme) -> QuantizedWeight:
    """The codes of `weight` float32 [N, K] that stand for what `round_to_nearest` gives."""
    return QuantizedWeight.concatenated([_quantize_rows(rows, scheme) for rows in weight.split(ROWS)])


def _quantize_rows(rows: torch.Tensor, scheme: Scheme) -> QuantizedWeight:
    """`quantize_to_nearest` of a few rows, float32 [n, K]."""
    groups = rows.unflatten(1, (-1, scheme.group_size))
    grid = grid_of_groups(groups, scheme)
    codes = nearest_codes(groups, grid, scheme.levels).flatten(1)
    return QuantizedWeight(codes, grid.scale.squeeze(-1), grid.zero.squeeze(-1)).compact()
