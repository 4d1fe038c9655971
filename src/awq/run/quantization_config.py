"""The `quantization_config` of config.json as it is written in each format; hf_checkpoint reads it.

The modules of a vision-language model have other names in transformers 5 than in the file, and others again in vLLM, so
they go by the end of their names there, as regular expressions where the format knows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from awq.quant_config import QuantConfig
from hf_checkpoint.awq_gemm import PackedLinear
from hf_checkpoint.compressed_tensors import PACKED, SCALE
from hf_checkpoint.families import TOWERS, VisionFacts, stored_vision_facts
from hf_checkpoint.quantization_config import PACK_QUANTIZED


class Kind(NamedTuple):
    """How layers are quantized: bits of a code, inputs that share a scale (−1: all of a row), without zero points."""

    bits: int
    group_size: int
    symmetric: bool


def quantization_config(config: QuantConfig, tensors: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The `quantization_config` of config.json for a checkpoint in the format that `config` asks for.

    Args:
        config: the settings.
        tensors: shapes of all stored tensors by name, which tell what is quantized and what is not.
    """
    names = quantized_modules(tensors)
    if config.format == "awq":
        return awq_config(config, names, stored_vision_facts(tensors), layer_float_modules(tensors))
    return compressed_tensors_config(config, names, tensors)


def quantized_modules(tensors: Iterable[str]) -> list[str]:
    """The linear layers that have packed tensors."""
    suffixes = tuple(f".{field}" for field in (PackedLinear._fields[0], PACKED))
    return [name.rpartition(".")[0] for name in tensors if name.endswith(suffixes)]


def awq_config(
    config: QuantConfig, names: Iterable[str], vision: VisionFacts | None = None, floats: Iterable[str] = ()
) -> dict[str, Any]:
    """AutoAWQ's, as transformers and vLLM read it; a vision tower has float weights.

    `floats` are the float matrices of decoder layers: routers among them, which vLLM would take for quantized.
    Zero points are in the files even where all are the middle code, so `zero_point` is always true; `lm_head` tells
    vLLM of a quantized head.
    """
    left_out = [*config.modules_to_not_convert, *(name for name, bits in config.overrides.items() if bits is None)]
    if vision:
        own = (name.removeprefix("model.") for name in left_out if name not in vision.float_modules)
        left_out = [*vision.float_modules, *own]
    left_out += [name for name in floats if not any(part in name for part in left_out)]
    result: dict[str, Any] = {
        "quant_method": "awq",
        "bits": config.w_bit,
        "group_size": config.q_group_size,
        "zero_point": True,
        "version": config.version,
        "modules_to_not_convert": left_out or None,
    }
    return result | ({"lm_head": True} if any(map(is_outer, names)) else {})


def layer_float_modules(tensors: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The modules of numbered layers that have a float matrix."""
    return [name for name in float_modules(tensors) if not is_outer(name)]


def compressed_tensors_config(
    config: QuantConfig, names: Iterable[str], tensors: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """compressed-tensors', as llm-compressor writes it; `names` are the quantized modules."""
    vision = stored_vision_facts(tensors)
    kinds: dict[Kind, list[str]] = {}
    for name in names:
        kinds.setdefault(kind_of(name, config, tensors), []).append(name)
    if len(kinds) == 1:  # a class of modules will do; the head has a class of its own in vLLM and goes by its name
        kinds = {kind: ["Linear", *filter(is_outer, own)] for kind, own in kinds.items()}
    if vision:
        kinds = {kind: [each if each == "Linear" else by_end(each) for each in own] for kind, own in kinds.items()}
    return {
        "quant_method": "compressed-tensors",
        "format": PACK_QUANTIZED,
        "quantization_status": "compressed",
        "global_compression_ratio": None,
        "kv_cache_scheme": None,
        "ignore": float_patterns(tensors, vision.tower) if vision else float_modules(tensors),
        "config_groups": {f"group_{index}": group(*each) for index, each in enumerate(sorted(kinds.items()))},
    }


def kind_of(name: str, config: QuantConfig, tensors: Mapping[str, tuple[int, ...]]) -> Kind:
    """How the module `name` is quantized."""
    if name.startswith(TOWERS):  # by rows where groups do not divide its inputs
        whole = tensors[f"{name}.{SCALE}"][1] == 1
        return Kind(config.vision_bits, -1 if whole else config.q_group_size, symmetric=True)
    return Kind(config.bits(name) or config.w_bit, config.q_group_size, not config.zero_point)


def by_end(name: str) -> str:
    """The regular expression for modules whose names end like `name`, whatever is before layers, visual or lm_head."""
    return "re:.*" + re.escape(name.removeprefix("model.")) + "$"


def float_patterns(tensors: Mapping[str, tuple[int, ...]], tower: str) -> list[str]:
    """The float modules of a vision-language model; its whole vision tower by one expression if all of it is float."""
    packed = any(name.startswith(TOWERS) for name in quantized_modules(tensors))
    floats = [name for name in float_modules(tensors) if packed or not name.startswith(TOWERS)]
    return [*([] if packed else [f"re:.*{tower}.*"]), *map(by_end, floats)]


def group(kind: Kind, targets: list[str]) -> dict[str, Any]:
    """One of `config_groups`: how the layers `targets` are quantized."""
    whole_rows = kind.group_size == -1
    weights = {
        "num_bits": kind.bits,
        "type": "int",
        "symmetric": kind.symmetric,
        "strategy": "channel" if whole_rows else "group",
        "group_size": None if whole_rows else kind.group_size,
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
