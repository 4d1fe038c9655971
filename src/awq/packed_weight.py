"""From the float rows of a weight to the packed arrays that are stored."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from awq.clip_search import clip_weight
from awq.packing import PackedLinear, pack_linear
from awq.rounding import quantize_weight


def pack_weight(parts: Iterable[torch.Tensor], group_size: int, moments: torch.Tensor | None = None) -> PackedLinear:
    """Clip, round and pack a weight that comes as `parts` float32 [rows, K], rows a multiple of 8.

    Args:
        parts: the rows in order.
        group_size: inputs per group.
        moments: second moments of the inputs by group, [K/g, g, g], for the clip search; None leaves it out.
    """
    packed = []
    for part in parts:
        rounded = quantize_weight(part if moments is None else clip_weight(part, moments), group_size)
        packed.append(pack_linear(*(tensor.cpu().numpy() for tensor in rounded)))
    return PackedLinear(*(np.concatenate(arrays, axis=1) for arrays in zip(*packed, strict=True)))


def named(prefix: str, packed: PackedLinear) -> dict[str, np.ndarray]:
    """The arrays of a packed weight under the names that a checkpoint gives them."""
    return {f"{prefix}.{field}": array for field, array in packed._asdict().items()}
