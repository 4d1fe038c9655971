"""End-of-text tokens (EOS), as a package's files name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def eos_token_ids(generation_config: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[int, ...]:
    """Token ids of generation_config.json, or else of config.json, or else of its `text_config`; () for none."""
    for source in (generation_config, config, config.get("text_config") or {}):
        ids = source.get("eos_token_id")
        if ids is not None:
            return tuple(ids) if isinstance(ids, list) else (int(ids),)
    return ()
