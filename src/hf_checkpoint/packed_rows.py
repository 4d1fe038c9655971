"""Reads a quantized weight of a checkpoint, some rows at a time, in whichever format it is stored.

It imports neither torch nor transformers, so the compiler uses it too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hf_checkpoint import compressed_tensors as ct
from hf_checkpoint.awq_gemm import PER_WORD, PackedLinear, unpack
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.dtypes import FLOATS_IN_FLOAT32
from hf_checkpoint.quantized_rows import QuantizedRows
from tyllm_base.errors import CheckpointError, UnsupportedError

AWQ = PackedLinear._fields
COMPRESSED = (ct.PACKED, ct.SCALE, ct.SHAPE)
ORDERED = "weight_g_idx"  # GPTQ's activation order, which scatters the groups


class PackedShape(NamedTuple):
    """The shape of a weight [N, K] as its stored tensors have it: N, K, inputs per group, bits of a code."""

    outputs: int
    inputs: int
    group_size: int
    bits: int


def is_packed(checkpoint: Checkpoint, name: str) -> bool:
    """Whether the weight `name`, such as "lm_head.weight", is stored quantized."""
    stem = name.removesuffix("weight")
    return stem != name and (stem + AWQ[0] in checkpoint or stem + ct.PACKED in checkpoint)


def packed_parts(checkpoint: Checkpoint, name: str) -> list[str]:
    """The names of the tensors that stand for the weight `name`."""
    stem = name.removesuffix("weight")
    fields = AWQ if stem + AWQ[0] in checkpoint else COMPRESSED
    zero = [stem + ct.ZERO] if fields is COMPRESSED and stem + ct.ZERO in checkpoint else []
    return [stem + field for field in fields] + zero


def packed_shape(checkpoint: Checkpoint, name: str) -> PackedShape:
    """The shape of the quantized weight `name`; its tensors' shapes and types are checked against each other.

    Raises:
        CheckpointError: a tensor is missing, or they contradict each other.
        UnsupportedError: codes of other than 4 or 8 bits, or groups in activation order.
    """
    stem = name.removesuffix("weight")
    return _gemm_shape(checkpoint, stem) if stem + AWQ[0] in checkpoint else _compressed_shape(checkpoint, stem)


def _gemm_shape(checkpoint: Checkpoint, stem: str) -> PackedShape:
    """`packed_shape` of AutoAWQ's format."""
    inputs, (groups, outputs) = _matrix(checkpoint, stem + AWQ[0])[0], _scales(checkpoint, stem + AWQ[2])
    _expect(checkpoint, stem + AWQ[0], (inputs, outputs // PER_WORD), "I32")
    _expect(checkpoint, stem + AWQ[1], (groups, outputs // PER_WORD), "I32")
    return PackedShape(outputs, inputs, _group_size(stem, inputs, groups), 4)


def _compressed_shape(checkpoint: Checkpoint, stem: str) -> PackedShape:
    """`packed_shape` of compressed-tensors."""
    if stem + ORDERED in checkpoint:
        raise UnsupportedError(
            f"{stem}{ORDERED} says that groups follow the activation order, which is not supported; "
            "quantize the model without actorder='group'."
        )
    outputs, inputs = (int(length) for length in checkpoint.read_numpy(stem + ct.SHAPE).reshape(-1)[:2])
    bits = ct.bits_of(_matrix(checkpoint, stem + ct.PACKED)[1], inputs)
    if bits is None:
        raise UnsupportedError(
            f"{stem}{ct.PACKED} has the shape {list(checkpoint.info(stem + ct.PACKED).shape)} for {inputs} inputs, "
            "which is neither 4 nor 8 bits a weight; quantize the model with 4 or 8 bits."
        )
    _expect(checkpoint, stem + ct.PACKED, (outputs, -(-inputs * bits // 32)), "I32")
    groups = _scales(checkpoint, stem + ct.SCALE)[1]
    group_size = _group_size(stem, inputs, groups)
    if stem + ct.ZERO in checkpoint and checkpoint.info(stem + ct.ZERO).dtype == "I32":
        _expect(checkpoint, stem + ct.ZERO, (-(-outputs * bits // 32), groups), "I32")
    return PackedShape(outputs, inputs, group_size, bits)


def _group_size(stem: str, inputs: int, groups: int) -> int:
    if not groups or inputs % groups:
        raise CheckpointError(f"{stem}* has {groups} groups for {inputs} inputs; quantize the model again.")
    return inputs // groups


def _matrix(checkpoint: Checkpoint, name: str) -> tuple[int, int]:
    """The shape of a tensor that is a matrix."""
    shape = checkpoint.info(name).shape
    if len(shape) != 2:
        raise CheckpointError(f"{name} has shape {list(shape)}, which is no matrix; quantize the model again.")
    return shape[0], shape[1]


def _scales(checkpoint: Checkpoint, name: str) -> tuple[int, int]:
    """The shape of a matrix of scales."""
    if checkpoint.info(name).dtype not in FLOATS_IN_FLOAT32:
        raise CheckpointError(f"{name} has type {checkpoint.info(name).dtype}, no float; quantize the model again.")
    return _matrix(checkpoint, name)


def _expect(checkpoint: Checkpoint, name: str, shape: tuple[int, int], dtype: str) -> None:
    """Raise `CheckpointError` unless the tensor has that shape and type."""
    info = checkpoint.info(name)
    if (info.shape, info.dtype) != (shape, dtype):
        raise CheckpointError(
            f"{name} is {info.dtype} {list(info.shape)} where the tensors beside it call for {dtype} {list(shape)}; "
            "quantize the model again."
        )


def read_rows(checkpoint: Checkpoint, name: str, start: int = 0, stop: int | None = None) -> QuantizedRows:
    """Rows [start, stop) of the quantized weight `name`, all to the end by default; scales are float32.

    Raises:
        CheckpointError: a tensor is missing, the tensors contradict each other, or a scale is NaN or infinite.
        UnsupportedError: codes of other than 4 or 8 bits, or groups in activation order.
    """
    shape = packed_shape(checkpoint, name)
    stem = name.removesuffix("weight")
    stop = shape.outputs if stop is None else min(stop, shape.outputs)
    read = _gemm_rows if stem + AWQ[0] in checkpoint else _compressed_rows
    rows = read(checkpoint, stem, shape, slice(start, stop))
    if not np.isfinite(rows.scales).all():
        raise CheckpointError(
            f"A scale of {name} is NaN or infinite; the checkpoint is damaged, download or convert it again."
        )
    return rows


def _gemm_rows(checkpoint: Checkpoint, stem: str, shape: PackedShape, rows: slice) -> QuantizedRows:
    """`read_rows` of AutoAWQ's format, where an output is a column and eight share a word."""
    qweight, qzeros, scales = (checkpoint.read_numpy(stem + field) for field in AWQ)
    codes, zeros = (_unpacked_columns(words, rows) for words in (qweight, qzeros))
    return QuantizedRows(codes, np.ascontiguousarray(scales[:, rows].T).astype(np.float32), zeros)


def _unpacked_columns(words: npt.NDArray[np.int32], rows: slice) -> npt.NDArray[np.uint8]:
    first = rows.start // PER_WORD
    part = np.ascontiguousarray(words[:, first : -(-rows.stop // PER_WORD)])
    skipped = first * PER_WORD
    return np.ascontiguousarray(unpack(part)[:, rows.start - skipped : rows.stop - skipped].T)


def _compressed_rows(checkpoint: Checkpoint, stem: str, shape: PackedShape, rows: slice) -> QuantizedRows:
    """`read_rows` of compressed-tensors, where inputs share a word, but for the zero points outputs do."""
    codes = ct.unpack(checkpoint.read_numpy(stem + ct.PACKED)[rows], shape.bits, shape.inputs)
    scales = checkpoint.read_numpy(stem + ct.SCALE)[rows].astype(np.float32)
    return QuantizedRows(codes, scales, _zeros(checkpoint, stem + ct.ZERO, shape, rows))


def _zeros(checkpoint: Checkpoint, name: str, shape: PackedShape, rows: slice) -> npt.NDArray[np.uint8]:
    """Zero points [n, G]: packed, or one signed byte each as older versions stored them, or the middle code."""
    middle = 1 << (shape.bits - 1)
    if name not in checkpoint:
        return np.full((rows.stop - rows.start, shape.inputs // shape.group_size), middle, np.uint8)
    stored = checkpoint.read_numpy(name)
    if stored.dtype != np.int32:
        return np.asarray(stored[rows].astype(np.int16) + middle, np.uint8)
    per_word = 32 // shape.bits
    first = rows.start // per_word
    words = stored[first : -(-rows.stop // per_word)]
    skipped = first * per_word
    values = ct.unpack(np.ascontiguousarray(words.T), shape.bits, rows.stop - skipped)
    return np.ascontiguousarray(values[:, rows.start - skipped :].T)
