"""The quantized checkpoint folder: parts gathered into shards, configs and tokenizer beside them, then one rename."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from awq.quant_config import QuantConfig
from awq.run.quantization_config import is_outer, quantization_config, quantized_modules
from awq.work.activation_cache import KEPT
from hf_checkpoint.auxiliary_files import copy_auxiliary_files
from hf_checkpoint.checkpoint import INDEX, SINGLE, Checkpoint
from hf_checkpoint.dtypes import DTYPES
from hf_checkpoint.safetensors_file import Blocks, TensorInfo, read_header, write_safetensors
from hf_checkpoint.weight_names import stored_name
from tyllm_base.atomic_files import write_json
from tyllm_base.atomic_folder import atomic_folder
from tyllm_base.errors import SettingError
from tyllm_base.output_place import OutputPlace, refuse_existing
from tyllm_base.write_errors import explained

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
CONFIG = "config.json"  # without it nobody takes the folder for a checkpoint
PARTS = ("text_config", "vision_config")  # of the config.json of a vision-language model


def bytes_of(size: str | int) -> int:
    """A size such as "5GB" in bytes; raises `SettingError`."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]*)", str(size).strip())
    if not found or found[2].upper() not in UNITS or float(found[1]) <= 0:
        raise SettingError(f"The shard size {size!r} is no size; write it like '5GB' or '500MB'.")
    return int(float(found[1]) * UNITS[found[2].upper()])


def refuse_existing_output(folder: Path) -> None:
    """Raise `OutputError` if there is something at `folder` already; an empty folder will be filled."""
    refuse_existing(folder, "exists already; remove it or choose another output folder", unless_empty=True)


def write_output(
    place: OutputPlace,
    parts: Iterable[Path],
    source: Checkpoint,
    config: QuantConfig,
    max_shard_size: str | int,
    notes: Mapping[str, Any] | None = None,
    ready: Callable[[Path], object] = lambda _: None,
) -> None:
    """Write the checkpoint into a folder near its place, and put it there at the end.

    Args:
        place: where the result will be, held; nothing or an empty folder.
        parts: safetensors files with the tensors, in order.
        source: the checkpoint that was quantized.
        config: how.
        max_shard_size: a shard is not larger unless a single tensor is.
        notes: more JSON files by their names.
        ready: called with the new config.json when all is written, before the folder gets its place.

    Raises:
        OutputError: there is something at the place, it cannot be written, or the disk is full.
        SettingError: `max_shard_size` is no size.
    """
    refuse_existing_output(place.given)
    limit = bytes_of(max_shard_size)
    found = {name: info for part in parts for name, info in read_header(part).items()}
    tensors = {stored_name(name, source.config): info for name, info in found.items()}
    with explained(place.given, KEPT), atomic_folder(place, CONFIG) as temporary:
        write_shards(temporary, tensors, limit)
        shapes = {name: info.shape for name, info in tensors.items()}
        write_json(temporary / CONFIG, quantized_config(source.config, config, shapes), KEPT)
        for name, note in (notes or {}).items():
            write_json(temporary / name, note, KEPT)
        copy_auxiliary_files(source.path, temporary)
        ready(temporary / CONFIG)


def write_shards(folder: Path, tensors: Mapping[str, TensorInfo], limit: int) -> None:
    """Write `tensors` as one file, or as shards of at most `limit` bytes with an index."""
    shards: list[dict[str, TensorInfo]] = [{}]
    for name, info in tensors.items():
        if shards[-1] and sum(other.nbytes for other in shards[-1].values()) + info.nbytes > limit:
            shards.append({})
        shards[-1][name] = info
    count = len(shards)
    names = [SINGLE] if count == 1 else [f"model-{i + 1:05}-of-{count:05}.safetensors" for i in range(count)]
    for name, shard in zip(names, shards, strict=True):
        write_safetensors(
            folder / name,
            {tensor: Blocks(DTYPES[info.dtype], info.shape, info.row_blocks) for tensor, info in shard.items()},
            KEPT,
        )
    if count > 1:
        total = sum(info.nbytes for shard in shards for info in shard.values())
        weight_map = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map}, KEPT)


def quantized_config(
    original: dict[str, Any], config: QuantConfig, tensors: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """config.json of the result: the original's, float16, with the quantization, untied if the head is quantized."""
    changed = {"dtype" if "dtype" in original else "torch_dtype": "float16"}
    head = {"tie_word_embeddings": False} if any(map(is_outer, quantized_modules(tensors))) else {}
    parts = {name: _agreeing(original[name], changed | head) for name in PARTS if isinstance(original.get(name), dict)}
    return original | parts | changed | head | {"quantization_config": quantization_config(config, tensors)}


def _agreeing(part: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """A part of config.json whose own words for the same are changed too, under either name of the type."""
    dtype = {"dtype": "float16", "torch_dtype": "float16"}
    return part | {name: value for name, value in (changed | dtype).items() if name in part}
