"""The INT4 weights of a checkpoint: by its `quantization_config` and its tensors, or by `--quantize rtn`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.packed_rows import PackedShape, is_packed, packed_shape
from hf_checkpoint.quantization_config import check_group_size, refusal
from hf_checkpoint.tied_weights import head_name, untie_head
from hf_checkpoint.vision_tower import find_tower
from tyllm.build.weight_formats import Quantization
from tyllm.llm.compile_settings import LlmCompileSettings
from tyllm_base.errors import CheckpointError, SettingError, UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def find_quantization(model: PreTrainedModel, checkpoint: Checkpoint, settings: LlmCompileSettings) -> Quantization:
    """The quantization of a checkpoint for the model built from it; a stack of experts counts as one weight.

    Warns where weights have 8 bits in the checkpoint: there is no kernel for them, and they become float16.

    Raises:
        UnsupportedError: a format other than AWQ's GEMM and compressed-tensors' pack-quantized, or other bits.
        SettingError: round-to-nearest is asked for on a quantized checkpoint, or its group size does not divide.
        CheckpointError: the config says quantized and no tensor is, or its group size is not that of the weights.
    """
    inputs = {f"{name}.weight": m.in_features for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    inputs |= {name: stack.shape[2] for name, stack in checkpoint.stacks.items() if len(stack.shape) == 3}
    if checkpoint.quantization is None:
        if not settings.quantize:
            return Quantization(None, settings.group_size, frozenset())
        tower = find_tower(model)  # it stays float16
        decoder = {name: n for name, n in inputs.items() if tower is None or not name.startswith(tower.prefix)}
        return _rounded(decoder, settings)
    if settings.quantize:
        raise SettingError(
            f"{checkpoint.path} is quantized already ({checkpoint.quantization.get('quant_method')}); "
            f"leave out --quantize {settings.quantize}."
        )
    return _stored(inputs, checkpoint, checkpoint.quantization)


def _rounded(linears: dict[str, int], settings: LlmCompileSettings) -> Quantization:
    """Every linear weight, rounded now."""
    quantization = Quantization(settings.quantize, settings.group_size, frozenset(linears))
    wrong = [name for name in sorted(linears) if linears[name] % quantization.group_of(linears[name])]
    if wrong:
        raise SettingError(
            f"The group size {settings.group_size} does not divide the {linears[wrong[0]]} inputs of {wrong[0]}; "
            f"{_cure(linears)}."
        )
    return quantization


def _stored(names: Iterable[str], checkpoint: Checkpoint, config: Mapping[str, Any]) -> Quantization:
    """The quantization that the checkpoint is stored with, of the weights `names`."""
    if reason := refusal(config):
        raise UnsupportedError(
            f"The checkpoint is quantized {reason}; only awq gemm with 4 bits and compressed-tensors pack-quantized "
            "can be compiled: quantize the float checkpoint with `tyllm quantize`."
        )
    stacks = checkpoint.stacks
    parts = {name: stacks[name].names if name in stacks else (name,) for name in names}
    every = [part for own in parts.values() for part in own]
    shapes = {part: packed_shape(checkpoint, part) for part in every if is_packed(checkpoint, part)}
    if not shapes:
        raise CheckpointError(
            f"{checkpoint.path} says that it is quantized, and no tensor of it is; quantize the model again."
        )
    if config["quant_method"] == "awq":
        check_group_size(config, shapes)
    packed = {name for name, own in parts.items() if any(part in shapes for part in own)}
    int4 = {name for name in packed if all(part in shapes and shapes[part].bits == 4 for part in parts[name])}
    if others := packed - int4:
        warnings.warn(
            f"{len(others)} of {len(parts)} linear layers have 8-bit weights, for which there is no kernel: "
            "they are stored as float16.",
            stacklevel=2,
        )
    groups = [shapes[part] for name in int4 for part in parts[name]]
    method = config["quant_method"] if int4 else None
    return Quantization(method, _group_size(groups), frozenset(int4), frozenset(others))


def _group_size(shapes: Iterable[PackedShape]) -> int:
    """The largest group size that divides all groups; −1 where every weight has one group."""
    every = list(shapes)
    if all(shape.group_size == shape.inputs for shape in every):
        return -1
    return math.gcd(*(shape.group_size for shape in every))


def _cure(linears: dict[str, int]) -> str:
    """The cure where a group size does not divide the inputs."""
    good = [str(size) for size in (128, 64, 32) if not any(inputs % size for inputs in linears.values())]
    return f"use {' or '.join(good)}" if good else "compile the model without --quantize"


def untie_quantized_head(model: PreTrainedModel, quantization: Quantization) -> None:
    """Give a quantized head a weight of its own: the embedding that it was tied to stays float16."""
    if f"{head_name(model)}.weight" in quantization.names | quantization.dequantized:
        untie_head(model)
