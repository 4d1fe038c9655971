"""After GPTQ: codes are revised one input at a time, and scales fitted to the codes, each for the whole block.

GPTQ looks ahead only; once all inputs are rounded, each can be chosen again with all others in place (cyclic coordinate
descent, QuantEase, Behdin et al., arXiv 2309.01885), and the best scales for given codes are a least-squares problem.
Weights are transposed as in `awq.method.gptq`.
"""

from __future__ import annotations

import torch

from awq.method.bfloat16_products import tiled_products
from awq.method.gptq import Codes
from awq.method.rounding import Scheme, storable

RIDGE = 1e-6  # of the mean of the diagonal: keeps groups without any code but the zero point solvable


def refined(codes: Codes, weight: torch.Tensor, matrix: torch.Tensor, scheme: Scheme, rounds: int) -> Codes:
    """`codes` with less error toward `weight` [K, n], measured by `matrix` [K, K]."""
    for _ in range(rounds):
        codes, slope = _revised(codes, weight, matrix, scheme)
        codes = _fitted(codes, slope, matrix)
    return codes


def _revised(codes: Codes, weight: torch.Tensor, matrix: torch.Tensor, scheme: Scheme) -> tuple[Codes, torch.Tensor]:
    """Each code chosen again, in order, with all others in place; and matrix · (weight − what they stand for)."""
    size = len(codes.codes) // len(codes.scales)
    with tiled_products():
        slope = matrix @ (weight - codes.weight())
    revised = codes.codes.clone()
    for group, scale in enumerate(codes.scales):
        part = slice(group * size, (group + 1) * size)
        before = revised[part].clone()
        _revise_group(revised[part], slope[part].clone(), matrix[part, part], scale, scheme.levels)
        with tiled_products():
            slope.addmm_(matrix[:, part], (revised[part] - before).mul_(scale), alpha=-1)
    return Codes(revised, codes.zeros, codes.scales), slope


def _revise_group(
    codes: torch.Tensor, slope: torch.Tensor, matrix: torch.Tensor, scale: torch.Tensor, levels: int
) -> None:
    """Revise the `codes` [g, n] of one group in place; `slope` [g, n] is used up."""
    for row, code in enumerate(codes):
        wish = (slope[row] / (scale * matrix[row, row])).add_(code).round_().clamp_(0, levels)
        slope[row + 1 :].addr_(matrix[row, row + 1 :], (wish - code).mul_(scale), alpha=-1)
        code.copy_(wish)


def _fitted(codes: Codes, slope: torch.Tensor, matrix: torch.Tensor) -> Codes:
    """The scales with the least error for these codes, in the rows that have less by them.

    With steps c (codes − zeros) of each group, scales s + δ change the error by δᵀ·A·δ − 2·δᵀ·r, where A holds cᵀ·H·c
    of each two groups and r is cᵀ·slope.
    """
    steps = codes.steps()  # [G, g, n]
    groups, size, rows = steps.shape
    right = (steps * slope.unflatten(0, (groups, size))).sum(1)  # r, [G, n]
    normal = steps.new_empty((groups, groups, rows))  # A
    for group in range(groups):
        stop = (group + 1) * size
        with tiled_products():
            seen = matrix[:stop, stop - size : stop] @ steps[group]
        normal[group, : group + 1] = seen.unflatten(0, (-1, size)).mul_(steps[: group + 1]).sum(1)
        normal[:group, group] = normal[group, :group]
    by_row = normal.permute(2, 0, 1)  # [n, G, G]
    ridge = RIDGE * by_row.diagonal(dim1=1, dim2=2).mean(1).clamp(min=torch.finfo(torch.float32).tiny)
    eye = torch.eye(groups, device=by_row.device)
    change = torch.linalg.solve(by_row + ridge[:, None, None] * eye, right.T[..., None])[..., 0].T
    change = change.clamp(-codes.scales / 2, codes.scales)
    change = storable(codes.scales + change) - codes.scales
    better = (change * (torch.einsum("ghn,hn->gn", normal, change) - 2 * right)).sum(0) < 0
    return Codes(codes.codes, codes.zeros, torch.where(better, codes.scales + change, codes.scales))
