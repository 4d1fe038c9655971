"""The activation-aware scale search of AWQ (Lin et al., arXiv 2306.00978, section 3.2), on AutoAWQ's grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from awq.half import LARGEST
from awq.rounding import ROWS, Scheme, round_weight
from awq.scale_groups import restoring

GRID = 20  # exponents 0, 1/20, … 19/20, as AutoAWQ


@dataclass(frozen=True)
class Call:
    """One recorded call of a module on the tokens of the search: its arguments and its float output."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: torch.Tensor


def best_scale(
    module: nn.Module,
    linears: list[nn.Linear],
    call: Call,
    activation: torch.Tensor,
    peaks: torch.Tensor,
    scheme: Scheme,
    duo_scaling: bool = True,
) -> torch.Tensor:
    """The scale [K] with the least squared error at `module`'s output when `linears` are scaled, rounded, scaled back.

    Args:
        module: where the error is measured; it contains `linears`, or is the only one of them.
        linears: layers that share their K inputs.
        call: the arguments that `module` is called with, and the output that it should give.
        activation: mean magnitude of each input, [K].
        peaks: largest magnitude stored for each output that will be divided, [K]; float16 must hold it afterwards.
        scheme: how the weights are rounded.
        duo_scaling: let weights have a say beside activations, as AutoAWQ does by default.
    """
    weight = weight_magnitude(linears, scheme.group_size)
    best, least = torch.ones_like(activation), float("inf")
    for scale in candidates(activation, weight, duo_scaling):
        if (peaks / scale).max() > LARGEST:
            continue
        error = rounding_error(module, linears, call, scale, scheme)
        if error < least:
            best, least = scale, error
    return best


def weight_magnitude(linears: list[nn.Linear], group_size: int) -> torch.Tensor:
    """Mean over all rows of |w| divided by the largest |w| of its group, [K]."""
    total = sum(
        (_share_of_group(rows, group_size).sum(0) for linear in linears for rows in linear.weight.split(ROWS)),
        start=torch.zeros_like(linears[0].weight[0]),
    )
    return total / sum(len(linear.weight) for linear in linears)


def _share_of_group(rows: torch.Tensor, group_size: int) -> torch.Tensor:
    groups = rows.abs().unflatten(1, (-1, group_size))
    return (groups / (groups.amax(-1, keepdim=True) + 1e-6)).flatten(1)


def candidates(activation: torch.Tensor, weight: torch.Tensor, duo_scaling: bool) -> Iterator[torch.Tensor]:
    """No scaling at all, then AutoAWQ's grid: activation^r / weight^(1 - r), centred on 1."""
    yield torch.ones_like(activation)
    for step in range(GRID):
        ratio = step / GRID
        scale = activation.pow(ratio)
        if duo_scaling:
            scale = scale / (weight.pow(1 - ratio) + 1e-4)
        scale = scale.clamp(min=1e-4)
        scale = scale / (scale.max() * scale.min()).sqrt()
        yield torch.where(torch.isfinite(scale), scale, 1.0)


def rounding_error(
    module: nn.Module, linears: list[nn.Linear], call: Call, scale: torch.Tensor, scheme: Scheme
) -> float:
    """Mean squared error of `module`'s output when `linears` are rounded in the scaled space."""
    with restoring(module):
        for linear in linears:
            linear.weight.data = round_weight(linear.weight.data * scale, scheme).div_(scale)
        output = first(module(*call.args, **call.kwargs))
    return float((output - call.output).square_().mean())


def first(output: Any) -> torch.Tensor:
    """A module's main output, which some modules return in a tuple."""
    return output[0] if isinstance(output, tuple) else output
