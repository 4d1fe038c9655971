"""Compares the model that config.json describes with the tensors that the checkpoint has, before any is read."""

from __future__ import annotations

from typing import Any

from awq.skeleton import STALE
from tyllm.compiler.quantisation import PACKED, PARTS
from tyllm.compiler.weight_formats import Quantisation
from tyllm.errors import CheckpointError

FLOATS = ("F16", "BF16", "F32")


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


def check_tensors(model: Any, checkpoint: Any, quantisation: Quantisation, sources: dict[str, str]) -> None:
    """Every parameter has its tensor in the right shape and type, and no tensor is left over.

    Raises:
        CheckpointError: config.json and the tensors contradict each other.
    """
    expected: set[str] = set()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name in quantisation.names and quantisation.method == "awq":
            stem = name.removesuffix(".weight")
            expected |= {f"{stem}.{part}" for part in PARTS}
            _check_packed(checkpoint, stem, tuple(parameter.shape), quantisation)
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
    if info.dtype not in FLOATS:
        raise CheckpointError(
            f"{name} has type {info.dtype}; a float checkpoint has F16, BF16 or F32: convert it first."
        )
    _same_shape(name, tuple(info.shape), shape)


def _check_packed(checkpoint: Any, stem: str, shape: tuple[int, ...], quantisation: Quantisation) -> None:
    outputs, inputs = shape
    groups = inputs // quantisation.group_of(inputs)
    wanted = {PACKED: (inputs, outputs // 8), ".qzeros": (groups, outputs // 8), ".scales": (groups, outputs)}
    for suffix, expected in wanted.items():
        info = checkpoint.info(stem + suffix)
        types = FLOATS if suffix == ".scales" else ("I32",)
        if info.dtype not in types:
            raise CheckpointError(
                f"{stem}{suffix} has type {info.dtype} where AWQ has {types[0]}; quantise the model again."
            )
        _same_shape(stem + suffix, tuple(info.shape), expected)


def _same_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise CheckpointError(
            f"{name} has shape {list(found)} where config.json calls for {list(expected)}; "
            "the config and the weights belong to different models."
        )
