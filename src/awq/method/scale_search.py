"""The activation-aware scale search of AWQ (Lin et al., arXiv 2306.00978, section 3.2), on AutoAWQ's grid.

In the shapes N is the number of outputs of a linear layer, K of inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from awq.method.clip_search import output_error
from awq.method.layer_structure import restoring
from awq.method.rounding import ROWS, Scheme, round_to_nearest
from hf_checkpoint.finite_check import LARGEST

SEARCH_ROWS = 1024  # of each layer, evenly spread, whose error decides where moments stand for tokens
ALL_SEARCH_ROWS = 16384  # of all layers together at most: experts are hundreds
GRID = 20  # exponents 0, 1/20, … 19/20, as AutoAWQ

ScaleError = Callable[[torch.Tensor], float]
"""The error of rounding some linear layers under a scale, float32 [K]."""


@dataclass(frozen=True)
class RecordedCall:
    """One recorded call of a module on the tokens of the search: its arguments and its float output [n, T, …]."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: torch.Tensor


def best_scale(
    linears: list[nn.Linear],
    activation: torch.Tensor,
    largest: torch.Tensor,
    scheme: Scheme,
    error: ScaleError,
    duo_scaling: bool = True,
) -> torch.Tensor:
    """The scale of the inputs that some linear layers share, float32 [K], that has the least error.

    Args:
        linears: the layers; each has a weight float32 [N, K].
        activation: mean magnitude of each input, float32 [K].
        largest: largest magnitude stored for each output that will be divided, float32 [K]; float16 must hold it
            afterwards.
        scheme: how weights are rounded.
        error: of rounding `linears` under a scale, such as `moment_error` or `replay_error` gives.
        duo_scaling: let weights have a say beside activations, as AutoAWQ does by default.
    """
    weight = weight_magnitude(linears, scheme.group_size)
    scales = candidate_scales(activation, weight, duo_scaling)
    usable = (scale for scale in scales if (largest / scale).max() <= LARGEST)
    return min(usable, key=error, default=torch.ones_like(activation))


def weight_magnitude(linears: list[nn.Linear], group_size: int) -> torch.Tensor:
    """Mean over all rows of |w| divided by the largest |w| of its group, float32 [K]."""
    total = sum(
        (_share_of_group(rows, group_size).sum(0) for linear in linears for rows in linear.weight.split(ROWS)),
        start=torch.zeros_like(linears[0].weight[0]),
    )
    return total / sum(len(linear.weight) for linear in linears)


def _share_of_group(rows: torch.Tensor, group_size: int) -> torch.Tensor:
    """|w| as a share of the largest of its group, [n, K]."""
    groups = rows.abs().unflatten(1, (-1, group_size))
    return (groups / (groups.amax(-1, keepdim=True) + 1e-6)).flatten(1)


def candidate_scales(activation: torch.Tensor, weight: torch.Tensor, duo_scaling: bool) -> Iterator[torch.Tensor]:
    """No scaling at all, then AutoAWQ's grid: activation^r / weight^(1 − r), centered on 1.

    Args:
        activation: mean magnitude of each input, float32 [K].
        weight: `weight_magnitude`, float32 [K].
        duo_scaling: divide by the weights' part.

    Yields:
        Scales float32 [K].
    """
    yield torch.ones_like(activation)
    for step in range(GRID):
        ratio = step / GRID
        scale = activation.pow(ratio)
        if duo_scaling:
            scale = scale / (weight.pow(1 - ratio) + 1e-4)
        scale = scale.clamp(min=1e-4)
        scale = scale / (scale.max() * scale.min()).sqrt()
        yield torch.where(torch.isfinite(scale), scale, 1.0)


def replay_error(module: nn.Module, linears: list[nn.Linear], call: RecordedCall, scheme: Scheme) -> ScaleError:
    """AutoAWQ's error of a scale: the mean square at the output of `module`, which contains `linears`, in `call`."""

    def error(scale: torch.Tensor) -> float:
        with restoring(module):
            for linear in linears:
                linear.weight.data = round_to_nearest(linear.weight.data * scale, scheme).div_(scale)
            output = first(module(*call.args, **call.kwargs))
        return float((output - call.output).square_().mean())

    return error


def moment_error(linears: list[nn.Linear], moments: torch.Tensor, scheme: Scheme) -> ScaleError:
    """The error of a scale on some of the rows, by second moments of the inputs within blocks, float32 [K/b, b, b]."""
    most = min(SEARCH_ROWS, -(-ALL_SEARCH_ROWS // len(linears)))
    rows = torch.cat([linear.weight.data[:: -(-len(linear.weight) // most)] for linear in linears])

    def error(scale: torch.Tensor) -> float:
        difference = round_to_nearest(rows * scale, scheme).div_(scale).sub_(rows)
        return float(output_error(difference.unflatten(1, (len(moments), -1)), moments).sum())

    return error


def first(output: Any) -> torch.Tensor:
    """A module's main output [n, T, …], which some modules return in a tuple."""
    return output[0] if isinstance(output, tuple) else output
