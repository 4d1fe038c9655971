"""Round-to-nearest quantization, slow and obvious."""

from typing import Any

import torch


def round_to_nearest(weight: torch.Tensor, group: int = 128, bits: int = 4) -> torch.Tensor:
    """The values that asymmetric round-to-nearest quantization leaves of a weight.

    Args:
        weight: (rows, columns); `columns` is a multiple of `group`.
        group: Columns that share a scale and a zero point.
        bits: Width of a code.

    Returns:
        (rows, columns) in the type of `weight`: (code − zero) · scale.
    """
    top = 2**bits - 1
    groups = weight.float().reshape(-1, group)
    low = groups.amin(1, keepdim=True).clamp(max=0)
    high = groups.amax(1, keepdim=True).clamp(min=0)
    scale = ((high - low) / top).clamp(min=1e-10)
    zero = (-low / scale).round()
    codes = ((groups / scale).round() + zero).clamp(0, top)
    return ((codes - zero) * scale).reshape(weight.shape).to(weight.dtype)


@torch.no_grad()
def quantize_linears(model: Any, group: int = 128) -> None:
    """Rounds every linear layer of `model` in place, `lm_head` too (apart from a tied embedding)."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight = torch.nn.Parameter(round_to_nearest(module.weight, group), requires_grad=False)
