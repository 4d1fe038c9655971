"""The `quantization_config` of config.json: what it says in each format, and whether it is one that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from awq.compressed_tensors import PACKED
from awq.packing import PackedLinear
from awq.settings import QuantConfig

PACK_QUANTIZED = "pack-quantized"


def quantization_config(config: QuantConfig, tensors: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """What config.json says of a checkpoint in the format that `config` asks for.

    Args:
        config: the settings.
        tensors: shapes of all stored tensors by name, which tell what is quantised and what is not.
    """
    names = quantized_modules(tensors)
    return awq_config(config, names) if config.format == "awq" else compressed_tensors_config(config, names, tensors)


def quantized_modules(tensors: Iterable[str]) -> list[str]:
    """The linear layers that have packed tensors."""
    suffixes = tuple(f".{field}" for field in (PackedLinear._fields[0], PACKED))
    return [name.rpartition(".")[0] for name in tensors if name.endswith(suffixes)]


def awq_config(config: QuantConfig, names: Iterable[str]) -> dict[str, Any]:
    """AutoAWQ's, as transformers and vLLM read it.

    Zero points are in the files even where all are the middle code, so `zero_point` is always true; `lm_head` tells
    vLLM of a quantised head.
    """
    left_out = [*config.modules_to_not_convert, *(name for name, bits in config.overrides.items() if bits is None)]
    result: dict[str, Any] = {
        "quant_method": "awq",
        "bits": config.w_bit,
        "group_size": config.q_group_size,
        "zero_point": True,
        "version": config.version,
        "modules_to_not_convert": left_out or None,
    }
    return result | ({"lm_head": True} if any(map(is_outer, names)) else {})


def compressed_tensors_config(
    config: QuantConfig, names: Iterable[str], tensors: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """compressed-tensors', as llm-compressor writes it; `names` are the quantised modules."""
    by_bits: dict[int, list[str]] = {}
    for name in names:
        by_bits.setdefault(config.bits(name) or config.w_bit, []).append(name)
    if len(by_bits) == 1:  # a class of modules will do; the head has a class of its own in vLLM and goes by its name
        by_bits = {bits: ["Linear", *filter(is_outer, own)] for bits, own in by_bits.items()}
    return {
        "quant_method": "compressed-tensors",
        "format": PACK_QUANTIZED,
        "quantization_status": "compressed",
        "global_compression_ratio": None,
        "kv_cache_scheme": None,
        "ignore": float_modules(tensors),
        "config_groups": {
            f"group_{index}": group(config, bits, own) for index, (bits, own) in enumerate(sorted(by_bits.items()))
        },
    }


def group(config: QuantConfig, bits: int, targets: list[str]) -> dict[str, Any]:
    """One of `config_groups`: how the layers `targets` are quantised."""
    whole_rows = config.q_group_size == -1
    weights = {
        "num_bits": bits,
        "type": "int",
        "symmetric": not config.zero_point,
        "strategy": "channel" if whole_rows else "group",
        "group_size": None if whole_rows else config.q_group_size,
        "dynamic": False,
        "actorder": None,
        "block_structure": None,
        "observer": "minmax",
        "observer_kwargs": {},
    }
    return {
        "targets": targets,
        "weights": weights,
        "input_activations": None,
        "output_activations": None,
        "format": PACK_QUANTIZED,
    }


def is_outer(name: str) -> bool:
    """Whether a module is outside the numbered layers, as a head is."""
    return not any(part.isdigit() for part in name.split("."))


def float_modules(tensors: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The modules with a float matrix, linear layers among them, and the head even if it is tied and so not stored."""
    floats = [
        name.removesuffix(".weight") for name, shape in tensors.items() if name.endswith(".weight") and len(shape) == 2
    ]
    return floats if f"lm_head.{PACKED}" in tensors or "lm_head" in floats else [*floats, "lm_head"]


def refusal(found: Mapping[str, Any]) -> str | None:
    """Why a checkpoint with that `quantization_config` cannot be read, None if it can: "as gptq with 4 bits"."""
    method = found.get("quant_method")
    if method == "awq":
        version, bits = str(found.get("version", "gemm")).lower(), found.get("bits", found.get("w_bit", 4))
        return None if (version, bits) == ("gemm", 4) else f"as awq {version} with {bits} bits"
    if method != "compressed-tensors":
        return f"as {method} with {found.get('bits')} bits"
    if found.get("transform_config"):
        return "as compressed-tensors with rotations (transform_config)"
    for layers in found.get("config_groups", {}).values():
        own = layers.get("format") or found.get("format")
        if own != PACK_QUANTIZED:
            return f"as compressed-tensors {own}"
        if layers.get("input_activations"):
            return "as compressed-tensors with quantised activations"
    return None
