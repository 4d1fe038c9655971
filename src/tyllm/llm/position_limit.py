"""How many positions a model knows, and how its config extends them: a longer cache would be read as nonsense.

`max_position_embeddings` is the length that a model was trained for, with its rope scaling where it has one; only YaRN
may say more than that: `factor` times `original_max_position_embeddings` (Peng et al., 2023, arXiv:2309.00071, and the
model cards of Qwen, which leave `max_position_embeddings` as it was).
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tyllm_base.errors import SettingError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from tyllm.llm.compile_settings import LlmCompileSettings

FIELD = "max_position_embeddings"
SCALED = ("linear", "llama3")
"""Types of rope scaling that compute the same whatever `max_position_embeddings` says."""


def check_positions(settings: LlmCompileSettings, raw: Mapping[str, Any], config: PretrainedConfig) -> None:
    """Refuse a cache that holds more tokens than the model has positions.

    Args:
        settings: of the compile.
        raw: config.json.
        config: what transformers makes of it.

    Raises:
        SettingError: with the limit, and how it is extended where that works.
    """
    limit, size = position_limit(config), settings.max_kv_cache_size
    if limit is None or size <= limit:
        return
    name = _stored_name(config)
    raise SettingError(
        f"max_kv_cache_size is {size:,}, and the model has {limit:,} positions ({name} of {settings.model_path}/"
        f"config.json); give {limit} or less (--max-kv-cache-size){_cure(raw, config, size)}."
    )


def position_limit(config: PretrainedConfig) -> int | None:
    """The number of positions that a model was made for; None where positions have no end."""
    text = config.get_text_config()
    limit = getattr(text, FIELD, None)
    if limit is None or limit < 0 or getattr(text, "alibi", False):  # XLNet says -1
        return None
    rope = _rope(config)
    if rope.get("rope_type") == "yarn":
        limit = rope["factor"] * rope["original_max_position_embeddings"]
    return int(limit) if math.isfinite(limit) else None


def extension(raw: Mapping[str, Any], config: PretrainedConfig, size: int) -> dict[str, Any]:
    """The fields of config.json that extend plain rotary positions to `size` by YaRN; none where that cannot be.

    Transformers is asked what it makes of them: whether nothing else of the rotary positions changes.
    """
    rope, limit = _rope(config), position_limit(config)
    if limit is None or rope.get("rope_type") != "default" or "mrope_section" in rope:
        return {}
    factor = float(math.ceil(size / limit))
    own = "rope_parameters" if raw.get("rope_parameters") else "rope_scaling"
    kept = {name: value for name, value in (raw.get(own) or {}).items() if name not in ("type", "rope_type")}
    yarn = {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": limit}
    fields = {_stored_name(config): int(factor * limit), own: kept | yarn}
    try:
        made = type(config).from_dict(copy.deepcopy({**raw, **fields}))
    except Exception:  # a config can make transformers fail in any way
        return {}
    return fields if _rope(made) == {**rope, **yarn} and (position_limit(made) or 0) >= size else {}


def _cure(raw: Mapping[str, Any], config: PretrainedConfig, size: int) -> str:
    """What else than a smaller cache helps, as the rest of a sentence."""
    fields = extension(raw, config, size)
    if fields:
        return f", or extend them with YaRN: in config.json, {json.dumps(fields)[1:-1]}"
    kind = _rope(config).get("rope_type")
    return f", or raise it there if its {kind} rope scaling reaches further" if kind in SCALED else ""


def _rope(config: PretrainedConfig) -> dict[str, Any]:
    """What says how positions are rotated; empty without, or where layers differ in it."""
    found = getattr(config.get_text_config(), "rope_parameters", None) or {}
    return {} if any(isinstance(value, Mapping) for value in found.values()) else dict(found)


def _stored_name(config: PretrainedConfig) -> str:
    """What config.json calls `max_position_embeddings`."""
    return str((config.get_text_config().attribute_map or {}).get(FIELD, FIELD))
