"""After GPTQ: codes are revised one input at a time, and scales fitted to the codes, each for the whole block.

GPTQ looks ahead only; once all inputs are rounded, each can be chosen again with all others in place (cyclic coordinate
descent, QuantEase, Behdin et al., arXiv 2309.01885), and the best scales for given codes are a least-squares problem.
Weights are transposed as in `awq.method.gptq`.
"""

from __future__ import annotations

import torch

from awq.method.bfloat16_products import tiled_products
from awq.method.quantized_weight import QuantizedWeight
from awq.method.rounding import Scheme, nearest_float16

RIDGE = 1e-6  # of the mean of the diagonal: keeps groups without any code but the zero point solvable


def refined(
    quantized: QuantizedWeight, weight: torch.Tensor, matrix: torch.Tensor, scheme: Scheme, rounds: int
) -> QuantizedWeight:
    """`quantized` with other codes and scales, nearer to the weight.

    Args:
        quantized: n rows in float32, transposed in memory, as `gptq_quantize` gives them.
        weight: those rows before rounding, transposed, float32 [K, n].
        matrix: H, float32 [K, K]; an error d of a row costs dᵀ·H·d.
        scheme: how the rows were rounded.
        rounds: how often all codes and then all scales are chosen again.
    """
    for _ in range(rounds):
        quantized, slope = _revise_codes(quantized, weight, matrix, scheme)
        quantized = _fit_scales(quantized, slope, matrix)
    return quantized


def _revise_codes(
    quantized: QuantizedWeight, weight: torch.Tensor, matrix: torch.Tensor, scheme: Scheme
) -> tuple[QuantizedWeight, torch.Tensor]:
    """Each code chosen again, in order, with all others in place; and matrix · (weight − quantized), [K, n]."""
    size = quantized.codes.shape[1] // quantized.scales.shape[1]
    with tiled_products():
        slope = matrix @ (weight - quantized.dequantize().T)
    revised = quantized.codes.T.clone()
    for group, scale in enumerate(quantized.scales.T):
        part = slice(group * size, (group + 1) * size)
        before = revised[part].clone()
        _revise_group(revised[part], slope[part].clone(), matrix[part, part], scale, scheme.levels)
        with tiled_products():
            slope.addmm_(matrix[:, part], (revised[part] - before).mul_(scale), alpha=-1)
    return QuantizedWeight(revised.T, quantized.scales, quantized.zeros), slope


def _revise_group(
    codes: torch.Tensor, slope: torch.Tensor, matrix: torch.Tensor, scale: torch.Tensor, levels: int
) -> None:
    """Revise the `codes` [g, n] of one group in place; `slope` [g, n] is overwritten."""
    for row, code in enumerate(codes):
        better = (slope[row] / (scale * matrix[row, row])).add_(code).round_().clamp_(0, levels)
        slope[row + 1 :].addr_(matrix[row, row + 1 :], (better - code).mul_(scale), alpha=-1)
        code.copy_(better)


def _fit_scales(quantized: QuantizedWeight, slope: torch.Tensor, matrix: torch.Tensor) -> QuantizedWeight:
    """The scales with the least error for these codes, in the rows that have less by them.

    With steps c (codes − zeros) of each group, scales s + δ change the error by δᵀ·A·δ − 2·δᵀ·r, where A holds cᵀ·H·c
    of each two groups and r is cᵀ·slope.
    """
    steps = quantized.steps().permute(1, 2, 0)  # [G, g, n]
    scales = quantized.scales.T  # [G, n]
    groups, size, rows = steps.shape
    right = (steps * slope.unflatten(0, (groups, size))).sum(1)  # r, [G, n]
    normal = steps.new_empty((groups, groups, rows))  # A
    for group in range(groups):
        stop = (group + 1) * size
        with tiled_products():
            product = matrix[:stop, stop - size : stop] @ steps[group]
        normal[group, : group + 1] = product.unflatten(0, (-1, size)).mul_(steps[: group + 1]).sum(1)
        normal[:group, group] = normal[group, :group]
    by_row = normal.permute(2, 0, 1)  # [n, G, G]
    ridge = RIDGE * by_row.diagonal(dim1=1, dim2=2).mean(1).clamp(min=torch.finfo(torch.float32).tiny)
    eye = torch.eye(groups, device=by_row.device)
    change = torch.linalg.solve(by_row + ridge[:, None, None] * eye, right.T[..., None])[..., 0].T
    change = change.clamp(-scales / 2, scales)
    change = nearest_float16(scales + change) - scales
    better = (change * (torch.einsum("ghn,hn->gn", normal, change) - 2 * right)).sum(0) < 0
    return QuantizedWeight(quantized.codes, torch.where(better, scales + change, scales).T, quantized.zeros)
