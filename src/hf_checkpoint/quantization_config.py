"""Reads the `quantization_config` of config.json: whether the checkpoint is in a format that is read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_checkpoint.packed_rows import PackedShape
from tyllm_base.errors import CheckpointError

PACK_QUANTIZED = "pack-quantized"


def refusal(found: Mapping[str, Any]) -> str | None:
    """The reason why that `quantization_config` cannot be read, such as "as gptq with 4 bits"; None if it can be."""
    method = found.get("quant_method")
    if method == "awq":
        version, bits = str(found.get("version", "gemm")).lower(), found.get("bits", found.get("w_bit", 4))
        return None if (version, bits) == ("gemm", 4) else f"as awq {version:.20} with {bits!r:.20} bits"
    if method != "compressed-tensors":
        return f"as {method!s:.40} with {found.get('bits')!r:.20} bits"
    if found.get("transform_config"):
        return "as compressed-tensors with rotations (transform_config)"
    groups = found.get("config_groups") or {}
    if not isinstance(groups, Mapping) or not all(isinstance(layers, Mapping) for layers in groups.values()):
        return f"as compressed-tensors with config_groups {groups!r:.60}"
    for layers in groups.values():
        own = layers.get("format") or found.get("format")
        if own != PACK_QUANTIZED:
            return f"as compressed-tensors {own!s:.40}"
        if layers.get("input_activations"):
            return "as compressed-tensors with quantized activations"
    return None


def check_group_size(config: Mapping[str, Any], shapes: Mapping[str, PackedShape]) -> None:
    """Raise `CheckpointError` unless AWQ's config.json and the tensors agree.

    Args:
        config: the `quantization_config` of a checkpoint in the format "awq".
        shapes: what the stored tensors say of each quantized weight, by its name.
    """
    found = config.get("group_size", config.get("q_group_size", 128))
    if type(found) is not int or (found < 1 and found != -1):
        raise CheckpointError(
            f"config.json says group_size {found!r:.40}, which is no group size; download or quantize the model again."
        )
    for name, shape in shapes.items():
        if shape.group_size != (shape.inputs if found == -1 else found):
            raise CheckpointError(
                f"config.json says groups of {found}, and {name} has groups of {shape.group_size}; "
                "the config and the weights belong to different models."
            )
