"""Activation-aware rounding of a loaded model, slow and obvious: the yardstick for the quantizer and for outliers.

Lin et al., AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration, 2023: a linear layer's input
channels are scaled up before rounding and down again after it, by powers of the activations' and weights' sizes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from rounding import round_to_nearest
from torch import nn

# Linear layers that read the same channels, and so share a scale; o_proj and lm_head are only rounded.
TOGETHER = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
RATIOS = [i / 20 for i in range(20)]  # AutoAWQ's grid


@contextmanager
def inputs_of(linears: list[nn.Linear]) -> Iterator[list[torch.Tensor]]:
    """The inputs of the linear layers while the block runs, each (tokens, columns)."""
    caught: list[torch.Tensor] = [torch.empty(0)] * len(linears)

    def catch(index: int) -> Any:
        def hook(_: nn.Module, arguments: tuple[torch.Tensor]) -> None:
            caught[index] = arguments[0].flatten(0, -2)

        return hook

    handles = [linear.register_forward_pre_hook(catch(index)) for index, linear in enumerate(linears)]
    yield caught
    for handle in handles:
        handle.remove()


def channel_sizes(weight: torch.Tensor, group: int) -> torch.Tensor:
    """(columns,) mean over the rows of each weight's size relative to the largest of its group."""
    sizes = weight.abs().reshape(-1, group)
    return (sizes / (sizes.amax(1, keepdim=True) + 1e-6)).reshape(weight.shape).mean(0)


def best_scaled(weight: torch.Tensor, inputs: torch.Tensor, group: int) -> torch.Tensor:
    """`weight` rounded with the scale whose outputs on `inputs` are nearest to the true ones.

    Args:
        weight: (rows, columns) of all linear layers that read the channels.
        inputs: (tokens, columns) activations.
        group: Columns that share a step.
    """
    activation, size = inputs.abs().mean(0), channel_sizes(weight, group)
    products = inputs.T @ inputs  # the squared outputs of a row w are w · products · wᵀ
    candidates = []
    for ratio in RATIOS:
        scale = (activation**ratio / (size ** (1 - ratio) + 1e-4)).clamp(min=1e-4)
        scale = scale / (scale.max() * scale.min()).sqrt()
        rounded = round_to_nearest(weight * scale, group) / scale
        error = rounded - weight
        candidates.append((float((error @ products * error).sum()), ratio, rounded))
    return min(candidates)[2]


@torch.no_grad()
def quantize_activation_aware(model: Any, calibration: torch.Tensor, group: int = 128) -> None:
    """Rounds every linear layer of a model in Llama's layout in place, `lm_head` too (apart from a tied embedding).

    Args:
        model: Causal language model of transformers, float32.
        calibration: (windows, tokens) token ids; their activations in the unrounded model choose the scales.
        group: Columns that share a step.
    """
    sets = [[layer.get_submodule(name) for name in names] for layer in model.model.layers for names in TOGETHER]
    with inputs_of([linears[0] for linears in sets]) as inputs:
        model(calibration)
    done = set()
    for linears, given in zip(sets, inputs, strict=True):
        rounded = best_scaled(torch.cat([linear.weight for linear in linears]), given, group)
        for linear, weight in zip(linears, rounded.split([len(linear.weight) for linear in linears]), strict=True):
            linear.weight = nn.Parameter(weight, requires_grad=False)
            done.add(linear)
    for module in model.modules():
        if isinstance(module, nn.Linear) and module not in done:
            module.weight = nn.Parameter(round_to_nearest(module.weight, group), requires_grad=False)
