"""GPTQ: inputs are rounded one after the other, and what each loses is made up for by those that are still to come.

Frantar et al., arXiv 2210.17323. Here the range of a group is searched when its turn comes, on weights that have made
up for the groups before it. Weights are transposed, [K, n] for n rows; H is a block of the Hessian.
"""

from __future__ import annotations

import torch

from awq.method.hessian import COLUMNS, DampedHessian
from awq.method.quantized_weight import QuantizedWeight
from awq.method.range_search import best_grid
from awq.method.rounding import Grid, Scheme, nearest_codes

STRIP = 16  # inputs between whose roundings only this strip is kept up to date


def gptq_quantize(
    weight: torch.Tensor,
    hessian: DampedHessian,
    scheme: Scheme,
    grid: Grid | None = None,
    *,
    search: bool = True,
    compensate: bool = True,
) -> QuantizedWeight:
    """Quantize n rows of a weight.

    Args:
        weight: transposed rows for the K inputs of `hessian`, float32 [K, n]; it is overwritten.
        hessian: of the tokens that the layer reads.
        scheme: how to round; unless there is a `grid` its groups are at most `COLUMNS` wide and divide K.
        grid: scales and zero points [n] for all inputs alike.
        search: search ranges; otherwise a group's whole range is used.
        compensate: let later inputs make up for the rounding of earlier ones; otherwise each is rounded to nearest.

    Returns:
        n rows in float32, transposed in memory.
    """
    width = COLUMNS if grid else scheme.group_size
    codes, grids = torch.empty_like(weight), [grid] if grid else []
    for start in range(0, len(weight), width):
        part = slice(start, min(start + width, len(weight)))
        if grid is None:
            metric = _metric(hessian, part, compensate) if search else None
            grids.append(best_grid(weight[part], metric, scheme))
        if compensate:
            root = hessian.root[part]
            errors = _round_strips(weight[part], root[:, part], grids[-1], scheme.levels, codes[part])
            weight[part.stop :].addmm_(root[:, part.stop :].T, errors, alpha=-1)
        else:
            codes[part] = nearest_codes(weight[part], grids[-1], scheme.levels)
    scales, zeros = (torch.stack(values) for values in zip(*grids, strict=True))
    return QuantizedWeight(codes.T, scales.T, zeros.T)


def _metric(hessian: DampedHessian, group: slice, compensate: bool) -> torch.Tensor:
    """The cost of errors within a group, [g, g]; if later inputs make up for them, only of what they cannot.

    That is the Schur complement of the inputs to come, the inverse of the group's block of UᵀU.
    """
    if compensate:
        return torch.cholesky_inverse(hessian.root[group, group], upper=True)
    return hessian.matrix[group, group]


def _round_strips(
    weight: torch.Tensor, root: torch.Tensor, grid: Grid, levels: int, codes: torch.Tensor
) -> torch.Tensor:
    """Round `weight` [g, n] into `codes`; returns each input's error over its entry of `root` [g, g], [g, n]."""
    errors = torch.empty_like(weight)
    for start in range(0, len(weight), STRIP):
        stop = min(start + STRIP, len(weight))
        for row in range(start, stop):
            torch.div(weight[row], grid.scale, out=codes[row])
            codes[row].round_().add_(grid.zero).clamp_(0, levels)
            torch.sub(codes[row], grid.zero, out=errors[row])
            errors[row].mul_(grid.scale).sub_(weight[row]).div_(-root[row, row])
            weight[row + 1 : stop].addr_(root[row, row + 1 : stop], errors[row], alpha=-1)
        weight[stop:].addmm_(root[start:stop, stop:].T, errors[start:stop], alpha=-1)
    return errors
