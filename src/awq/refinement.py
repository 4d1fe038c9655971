"""After GPTQ: codes are revised one input at a time, and scales fitted to the codes, each for the whole block.

GPTQ looks ahead only; once all inputs are rounded, each can be chosen again with all others in place (cyclic coordinate
descent, QuantEase, Behdin et al., arXiv 2309.01885), and the best scales for given codes are a least-squares problem.
Weights are transposed as in `awq.gptq`.
"""

from __future__ import annotations

import torch

from awq.gptq import Codes
from awq.rounding import Scheme, storable

RIDGE = 1e-6  # of the mean of the diagonal: keeps groups without any code but the zero point solvable


def refined(codes: Codes, weight: torch.Tensor, matrix: torch.Tensor, scheme: Scheme, rounds: int) -> Codes:
    """`codes` with less error towards `weight` [K, n], measured by `matrix` [K, K]; never more in any row."""
    target = matrix @ weight
    for _ in range(rounds):
        codes = _fit_scales(_revise(codes, target, matrix, scheme), weight, target, matrix)
    return codes


def _revise(codes: Codes, target: torch.Tensor, matrix: torch.Tensor, scheme: Scheme) -> Codes:
    """Choose every code again, in order, with all others in place."""
    size = len(codes.codes) // len(codes.scales)
    slope = target - matrix @ codes.weight()  # of the error by each weight, halved
    revised = codes.codes.clone()
    for group, scale in enumerate(codes.scales):
        part = slice(group * size, (group + 1) * size)
        before = revised[part].clone()
        own = slope[part].clone()
        block = matrix[part, part]
        for row in range(size):
            code = revised[part][row]
            wish = (own[row] / (scale * block[row, row])).add_(code).round_().clamp_(0, scheme.levels)
            change = (wish - code).mul_(scale)
            own[row + 1 :].addr_(block[row, row + 1 :], change, alpha=-1)
            code.copy_(wish)
        slope.addmm_(matrix[:, part], (revised[part] - before).mul_(scale), alpha=-1)
    return Codes(revised, codes.zeros, codes.scales)


def _fit_scales(codes: Codes, weight: torch.Tensor, target: torch.Tensor, matrix: torch.Tensor) -> Codes:
    """The scales with the least error for these codes, in the rows where they have less."""
    steps = codes.steps()  # [G, g, n]
    groups, size, rows = steps.shape
    right = (steps * target.unflatten(0, (groups, size))).sum(1)  # [G, n]
    normal = steps.new_empty((groups, groups, rows))
    for group in range(groups):
        seen = matrix[:, group * size : (group + 1) * size] @ steps[group]
        normal[group] = (seen.unflatten(0, (groups, size)) * steps).sum(1)
    by_row = normal.permute(2, 0, 1)  # [n, G, G]
    ridge = RIDGE * by_row.diagonal(dim1=1, dim2=2).mean(1).clamp(min=torch.finfo(torch.float32).tiny)
    eye = torch.eye(groups, device=by_row.device)
    fitted = torch.linalg.solve(by_row + ridge[:, None, None] * eye, right.T[..., None])[..., 0].T
    usable = (fitted > codes.scales / 2) & (fitted < codes.scales * 2)
    fitted = storable(torch.where(usable, fitted, codes.scales))
    better = _error(fitted, normal, right) < _error(codes.scales, normal, right)
    return Codes(codes.codes, codes.zeros, torch.where(better, fitted, codes.scales))


def _error(scales: torch.Tensor, normal: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The squared error of each row with these scales [G, n], less what is the same for all, [n]."""
    return (scales * (torch.einsum("ghn,hn->gn", normal, scales) - 2 * right)).sum(0)
