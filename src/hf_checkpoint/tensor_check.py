"""Compares the model that config.json describes with the tensors that a checkpoint has, before any is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.dtypes import FLOATS
from hf_checkpoint.expert_stack import Storage
from hf_checkpoint.packed_rows import is_packed, packed_parts, packed_shape
from tyllm_base.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STALE = re.compile(r"rotary(_pos)?_emb\.inv_freq$")
"""A buffer that older checkpoints stored, which the config determines."""
OTHER_MODEL = "the config and the weights belong to different models."


def check_tensors(
    checkpoint: Checkpoint,
    shapes: Mapping[str, tuple[int, ...]],
    packed: Collection[str],
    sources: Mapping[str, str],
    dtypes: Collection[str] = FLOATS,
    ignored: Collection[str] = (),
) -> None:
    """Every weight of the model has its tensor in the right shape and type, and no tensor is left over.

    Args:
        checkpoint: its tensors under the names of the model.
        shapes: of the model's weights, by name; a stack of experts counts as the tensors that have its rows.
        packed: those that are stored quantized, as the tensors of their packed form.
        sources: tied weight → the tensor that stands for it, which may be stored beside it.
        dtypes: types that a float tensor may have, by safetensors' names.
        ignored: expressions for names that may be left over: transformers' `_keys_to_ignore_on_load_unexpected`.

    Raises:
        CheckpointError: config.json and the tensors contradict each other.
        UnsupportedError: a packed weight has other than 4 or 8 bits, or groups in activation order.
    """
    expected, patterns = set(sources), [STALE, *map(re.compile, ignored)]
    stacks = [checkpoint.stacks[name] for name in shapes.keys() & checkpoint.stacks.keys()]
    stacks += [checkpoint.rows[name].stack for name in shapes.keys() & checkpoint.rows.keys()]
    parts = {part: shape for stack in stacks for part, shape in stack.shapes().items()}
    bytes_of_mxfp4 = {part for stack in stacks if stack.storage is Storage.MXFP4 for part in stack.names}
    packed = {*packed, *(part for part in parts if is_packed(checkpoint, part))}
    known = checkpoint.stacks.keys() | checkpoint.rows.keys()
    shapes = {name: shape for name, shape in shapes.items() if name not in known} | parts
    for name, shape in shapes.items():
        if name in packed:
            expected |= set(packed_parts(checkpoint, name))
            _check_shape(name, packed_shape(checkpoint, name)[:2], shape)
        else:
            source = sources.get(name, name)
            expected.add(source)
            _check_type(checkpoint, source, {"U8"} if source in bytes_of_mxfp4 else dtypes)
            _check_shape(source, tuple(checkpoint.info(source).shape), shape)
    for name in checkpoint:
        if name not in expected and not any(pattern.search(name) for pattern in patterns):
            raise CheckpointError(
                f"{checkpoint.path} has the tensor {name}, for which config.json has no place; {OTHER_MODEL}"
            )


def ignored_tensors(model: PreTrainedModel) -> list[str]:
    """Expressions for tensors that published checkpoints of a model have and its code does not read."""
    return sorted(model._keys_to_ignore_on_load_unexpected or ())


def _check_type(checkpoint: Checkpoint, name: str, dtypes: Collection[str]) -> None:
    dtype = checkpoint.info(name).dtype
    if dtype not in dtypes:
        wanted = (
            "MXFP4 lies in U8: download it again"
            if dtypes == {"U8"}
            else ("a float checkpoint has F16, BF16 or F32: convert it first")
        )
        raise CheckpointError(f"{name} has type {dtype}; {wanted}.")


def _check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise CheckpointError(
            f"{name} has shape {list(found)} where config.json calls for {list(expected)}; {OTHER_MODEL}"
        )
