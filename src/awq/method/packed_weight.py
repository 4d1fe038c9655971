"""From the float rows of a weight to the packed arrays that are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from awq.method.clip_search import clip_weight
from awq.method.rounding import Rounded, Scheme, quantize_weight
from hf_checkpoint import awq_gemm, compressed_tensors
from hf_checkpoint.safetensors_file import Array

Packer = Callable[[Rounded, Scheme], dict[str, Array]]


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
    """The arrays of a quantized weight under the names that a checkpoint of that format gives them.

    Args:
        prefix: the linear layer's name.
        parts: its rows in order, some at a time; all parts but the last have a multiple of 8.
        scheme: how they were rounded; in the format "awq" codes have 4 bits and the rows are a multiple of 8.
        file_format: "awq" or "compressed-tensors".
    """
    pack: Packer
    pack, outputs = (_gemm, 1) if file_format == "awq" else (_compressed, 0)
    packed = [pack(part, scheme) for part in parts]
    arrays = {field: np.concatenate([rows[field] for rows in packed], axis=outputs) for field in packed[0]}
    if file_format != "awq":
        rows, groups = arrays[compressed_tensors.SCALE].shape
        arrays[compressed_tensors.SHAPE] = np.array([rows, groups * scheme.group_size], np.int64)
    return {f"{prefix}.{field}": array for field, array in arrays.items()}


def _gemm(rows: Rounded, _: Scheme) -> dict[str, Array]:
    return awq_gemm.pack_linear(*(tensor.cpu().numpy() for tensor in rows))._asdict()


def _compressed(rows: Rounded, scheme: Scheme) -> dict[str, Array]:
    assert not scheme.symmetric or bool((rows.zeros == scheme.middle).all())  # they are not stored
    q, zeros, scales = (tensor.cpu().numpy() for tensor in rows)
    return compressed_tensors.pack_rows(q, None if scheme.symmetric else zeros, scales, scheme.bits)


def stored_bytes(outputs: int, inputs: int, scheme: Scheme, file_format: str) -> int:
    """Bytes of what `stored` gives for a weight of that shape."""
    groups, words = inputs // scheme.group_size, 32 // scheme.bits
    scales = 2 * outputs * groups
    if file_format == "awq":
        return outputs * inputs // 2 + groups * outputs // 2 + scales
    zeros = 0 if scheme.symmetric else 4 * -(-outputs // words) * groups
    return 4 * outputs * -(-inputs // words) + zeros + scales + 16
