"""Compares the model that config.json describes with the tensors that the checkpoint has, before any is read."""

from __future__ import annotations

from typing import Any

from awq.stream.meta_model import STALE
from hf_checkpoint.dtypes import FLOATS_IN_FLOAT32
from hf_checkpoint.packed_rows import packed_parts, packed_shape
from tyllm.build.weight_formats import Quantization
from tyllm_errors import CheckpointError


def source_names(model: Any, checkpoint: Any) -> dict[str, str]:
    """Tied parameter that the checkpoint leaves out → the tensor that stands for it."""
    groups: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        groups.setdefault(id(parameter), []).append(name)
    found: dict[str, str] = {}
    for names in groups.values():
        there = [name for name in names if name in checkpoint]
        found |= {name: there[0] for name in names if there and name not in checkpoint}
    return found


def check_tensors(model: Any, checkpoint: Any, quantization: Quantization, sources: dict[str, str]) -> None:
    """Every parameter has its tensor in the right shape and type, and no tensor is left over.

    Raises:
        CheckpointError: config.json and the tensors contradict each other.
    """
    expected: set[str] = set()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name in quantization.packed:
            expected |= set(packed_parts(checkpoint, name))
            packed = packed_shape(checkpoint, name)
            _same_shape(name, (packed.outputs, packed.inputs), tuple(parameter.shape))
        else:
            source = sources.get(name, name)
            expected.add(source)
            _check_float(checkpoint, source, tuple(parameter.shape))
    for name in checkpoint:
        if name not in expected and not STALE.search(name):
            raise CheckpointError(
                f"{checkpoint.path} has the tensor {name}, for which config.json has no place; "
                "the config and the weights belong to different models."
            )


def _check_float(checkpoint: Any, name: str, shape: tuple[int, ...]) -> None:
    info = checkpoint.info(name)
    if info.dtype not in FLOATS_IN_FLOAT32:
        raise CheckpointError(
            f"{name} has type {info.dtype}; a float checkpoint has F16, BF16 or F32: convert it first."
        )
    _same_shape(name, tuple(info.shape), shape)


def _same_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise CheckpointError(
            f"{name} has shape {list(found)} where config.json calls for {list(expected)}; "
            "the config and the weights belong to different models."
        )
