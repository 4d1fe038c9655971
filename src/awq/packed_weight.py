"""From the float rows of a weight to the packed arrays that are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from awq import packing
from awq.clip_search import clip_weight
from awq.rounding import Rounded, Scheme, quantize_weight
from awq.safetensors_file import Array


def round_parts(
    parts: Iterable[torch.Tensor], scheme: Scheme, moments: torch.Tensor | None = None
) -> Iterator[Rounded]:
    """Clip and round a weight that comes as `parts` float32 [rows, K].

    Args:
        parts: the rows in order; all parts but the last have a multiple of 8.
        scheme: how to round.
        moments: second moments of the inputs by group, [K/g, g, g], for the clip search; None leaves it out.
    """
    for part in parts:
        yield quantize_weight(part if moments is None else clip_weight(part, moments, scheme), scheme)


def stored(prefix: str, parts: Iterable[Rounded], scheme: Scheme, file_format: str) -> dict[str, Array]:
    """The arrays of a quantised weight under the names that a checkpoint of that format gives them.

    Args:
        prefix: the linear layer's name.
        parts: its rows in order, some at a time; all parts but the last have a multiple of 8.
        scheme: how they were rounded.
        file_format: "awq" or "compressed-tensors".
    """
    packed = [packing.pack_linear(*(tensor.cpu().numpy() for tensor in part)) for part in parts]
    columns = {field: [getattr(part, field) for part in packed] for field in packing.PackedLinear._fields}
    return {f"{prefix}.{field}": np.concatenate(arrays, axis=1) for field, arrays in columns.items()}
