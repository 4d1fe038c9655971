"""Refuses a config.json whose numbers no model has, before anything makes a list or a module for each of them.

Only what makes work or memory by itself is looked at; what contradicts the tensors is found when they are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tyllm_base.errors import CheckpointError

LAYERS = frozenset({"num_hidden_layers", "n_layer", "n_layers", "num_layers", "depth"})
COUNTS = frozenset({"num_experts", "num_local_experts", "n_routed_experts", "num_experts_per_tok", "sliding_window"})
SIZES = frozenset({
    "hidden_size", "intermediate_size", "moe_intermediate_size", "vocab_size", "num_attention_heads", "head_dim",
    "num_key_value_heads", "embed_dim", "hidden_dim", "n_embd", "n_head", "n_inner", "num_heads", "patch_size",
    "spatial_merge_size", "spatial_patch_size", "temporal_patch_size", "in_channels", "in_chans", "window_size",
})  # fmt: skip
MAX_LAYERS = 1000  # beyond it there must be as many tensors; modules of 1,000 layers are made in two seconds
MAX_EXPERTS = 4096
MAX_SIZE = 1 << 24
MAX_POSITIONS = 1 << 31


def check_config(path: Path, config: Mapping[str, Any], tensors: int) -> None:
    """Raise `CheckpointError` for numbers that cannot be.

    Args:
        path: of config.json, for messages.
        config: its content.
        tensors: how many the checkpoint has.
    """
    for name, value in _numbers(config):
        key = name.rpartition(".")[2]
        if key in LAYERS:
            _check(path, name, value, 1, max(MAX_LAYERS, tensors))
        elif key in COUNTS:
            _check(path, name, value, 0, MAX_POSITIONS if key == "sliding_window" else MAX_EXPERTS)
        elif key in SIZES:
            _check(path, name, value, 1, MAX_SIZE)
        elif key == "max_position_embeddings":
            _check(path, name, value, 1, MAX_POSITIONS)
    _check_forms(path, config)


def _numbers(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields that are there, of the parts too, such as "vision_config.depth"; the reader has limited how deep."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _check(path: Path, name: str, value: Any, least: int, most: int) -> None:
    values = value if isinstance(value, list) and value else [value]  # one for each layer, or for each side
    if not all(type(each) is int and least <= each <= most for each in values):
        raise CheckpointError(
            f"{path} says {name} = {value!r:.60}, which must be a whole number from {least} to {most:,}; "
            "correct it or download the checkpoint again."
        )


def _check_forms(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse fields of another form than all their readers expect."""
    architectures = config.get("architectures")
    if architectures is not None and not _is_names(architectures):
        raise _form(path, "architectures", architectures, "a list of names")
    for name in ("text_config", "vision_config", "rope_scaling", "rope_parameters", "quantization_config"):
        if config.get(name) is not None and not isinstance(config[name], Mapping):
            raise _form(path, name, config[name], "an object")


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name.isprintable() for name in value)


def _form(path: Path, name: str, value: Any, form: str) -> CheckpointError:
    return CheckpointError(
        f"{path} says {name} = {value!r:.60}, which must be {form}; correct it or download the checkpoint again."
    )
