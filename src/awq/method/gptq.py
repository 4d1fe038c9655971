"""GPTQ: inputs are rounded one after the other, and what each loses is made up for by those that are still to come.

Frantar et al., arXiv 2210.17323. Here the range of a group is searched when its turn comes, on weights that have made
up for the groups before it. Weights are transposed, [K, n] for n rows; H is a block of the Hessian.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from awq.method.hessian import COLUMNS, DampedHessian
from awq.method.range_search import best_grid
from awq.method.rounding import Scheme, integers

STRIP = 16  # inputs between whose roundings only this strip is kept up to date


@dataclass(frozen=True)
class Codes:
    """A rounded weight with K inputs in G groups and n rows, transposed: weight ≈ (codes − zeros) · scales.

    Attributes:
        codes: whole numbers 0..levels as float32, [K, n].
        zeros: likewise, [G, n].
        scales: float16 numbers as float32, [G, n].
    """

    codes: torch.Tensor
    zeros: torch.Tensor
    scales: torch.Tensor

    def steps(self) -> torch.Tensor:
        """Codes − zeros by group, [G, g, n]."""
        return self.codes.unflatten(0, (len(self.scales), -1)) - self.zeros[:, None]

    def weight(self) -> torch.Tensor:
        """The weight that the codes stand for, [K, n]."""
        return (self.steps() * self.scales[:, None]).flatten(0, 1)


Grid = tuple[torch.Tensor, torch.Tensor]


def round_weight(
    weight: torch.Tensor,
    hessian: DampedHessian,
    scheme: Scheme,
    grid: Grid | None = None,
    *,
    search: bool = True,
    compensate: bool = True,
) -> Codes:
    """Round `weight` [K, n], which is used up.

    Args:
        weight: transposed rows, for the K inputs of `hessian`.
        hessian: what the inputs were.
        scheme: how to round; unless there is a `grid` its groups are at most `COLUMNS` wide and divide K.
        grid: scales and zero points [n] for all inputs alike.
        search: search ranges; otherwise a group's whole range is used.
        compensate: let later inputs make up for the rounding of earlier ones; otherwise each is rounded to nearest.
    """
    width = COLUMNS if grid else scheme.group_size
    codes, grids = torch.empty_like(weight), [grid] if grid else []
    for start in range(0, len(weight), width):
        part = slice(start, min(start + width, len(weight)))
        if grid is None:
            metric = _metric(hessian, part, compensate) if search else None
            grids.append(best_grid(weight[part], metric, scheme))
        scale, zero = grids[-1]
        if compensate:
            root = hessian.root[part]
            errors = _round_strips(weight[part], root[:, part], scale, zero, scheme.levels, codes[part])
            weight[part.stop :].addmm_(root[:, part.stop :].T, errors, alpha=-1)
        else:
            codes[part] = integers(weight[part], scale, zero, scheme.levels)
    scales, zeros = (torch.stack(values) for values in zip(*grids, strict=True))
    return Codes(codes, zeros, scales)


def _metric(hessian: DampedHessian, group: slice, compensate: bool) -> torch.Tensor:
    """What an error within the group costs, [g, g]; if later inputs make up for it, only what they cannot.

    That is the Schur complement of the inputs to come, the inverse of the group's block of UᵀU.
    """
    if compensate:
        return torch.cholesky_inverse(hessian.root[group, group], upper=True)
    return hessian.matrix[group, group]


def _round_strips(
    weight: torch.Tensor, root: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, levels: int, codes: torch.Tensor
) -> torch.Tensor:
    """Round `weight` [g, n] into `codes`; returns each input's error over its entry of `root` [g, g], [g, n]."""
    errors = torch.empty_like(weight)
    for start in range(0, len(weight), STRIP):
        stop = min(start + STRIP, len(weight))
        for row in range(start, stop):
            torch.div(weight[row], scale, out=codes[row])
            codes[row].round_().add_(zero).clamp_(0, levels)
            torch.sub(codes[row], zero, out=errors[row])
            errors[row].mul_(scale).sub_(weight[row]).div_(-root[row, row])
            weight[row + 1 : stop].addr_(root[row, row + 1 : stop], errors[row], alpha=-1)
        weight[stop:].addmm_(root[start:stop, stop:].T, errors[start:stop], alpha=-1)
    return errors
