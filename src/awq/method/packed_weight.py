"""From the float rows of a weight to the packed arrays that are stored.

In the shapes N is the number of outputs, K of inputs, g the group size, G = K / g the number of groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from awq.method.clip_search import clip_weight
from awq.method.quantized_weight import QuantizedWeight
from awq.method.rounding import Scheme, quantize_to_nearest
from hf_checkpoint import awq_gemm, compressed_tensors
from hf_checkpoint.safetensors_file import Array

Packer = Callable[[QuantizedWeight, Scheme], dict[str, Array]]


def quantize_parts(
    parts: Iterable[torch.Tensor], scheme: Scheme, moments: torch.Tensor | None = None
) -> Iterator[QuantizedWeight]:
    """Clip and round to nearest a weight that comes some rows at a time.

    Args:
        parts: the rows in order, float32 [n, K] each; all parts but the last have a multiple of 8.
        scheme: how to round.
        moments: second moments of the inputs by group, float32 [G, g, g], for the clip search; None leaves it out.
    """
    for part in parts:
        yield quantize_to_nearest(part if moments is None else clip_weight(part, moments, scheme), scheme)


def packed_tensors(prefix: str, parts: Iterable[QuantizedWeight], scheme: Scheme, file_format: str) -> dict[str, Array]:
    """The arrays of a quantized weight [N, K] under the names that a checkpoint of that format gives them.

    Shapes and types are those of `hf_checkpoint.awq_gemm` and `hf_checkpoint.compressed_tensors`.

    Args:
        prefix: the linear layer's name.
        parts: its rows in order, some at a time, compact; all parts but the last have a multiple of 8.
        scheme: how they were rounded; in the format "awq" codes have 4 bits and the rows are a multiple of 8.
        file_format: "awq" or "compressed-tensors".
    """
    pack: Packer
    pack, outputs = (_pack_gemm, 1) if file_format == "awq" else (_pack_compressed, 0)
    packed = [pack(part, scheme) for part in parts]
    arrays = {field: np.concatenate([rows[field] for rows in packed], axis=outputs) for field in packed[0]}
    if file_format != "awq":
        rows, groups = arrays[compressed_tensors.SCALE].shape
        arrays[compressed_tensors.SHAPE] = np.array([rows, groups * scheme.group_size], np.int64)
    return {f"{prefix}.{field}": array for field, array in arrays.items()}


def _pack_gemm(rows: QuantizedWeight, _: Scheme) -> dict[str, Array]:
    own = rows.to_numpy()
    return awq_gemm.pack_linear(own.codes, own.zeros, own.scales)._asdict()


def _pack_compressed(rows: QuantizedWeight, scheme: Scheme) -> dict[str, Array]:
    assert not scheme.symmetric or bool((rows.zeros == scheme.middle).all())  # they are not stored
    own = rows.to_numpy()
    return compressed_tensors.pack_rows(own.codes, None if scheme.symmetric else own.zeros, own.scales, scheme.bits)


def packed_bytes(outputs: int, inputs: int, scheme: Scheme, file_format: str) -> int:
    """Bytes of the `packed_tensors` of a weight of that shape."""
    groups, words = inputs // scheme.group_size, 32 // scheme.bits
    scales = 2 * outputs * groups
    if file_format == "awq":
        return outputs * inputs // 2 + groups * outputs // 2 + scales
    zeros = 0 if scheme.symmetric else 4 * -(-outputs // words) * groups
    return 4 * outputs * -(-inputs // words) + zeros + scales + 16
