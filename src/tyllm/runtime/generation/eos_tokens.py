"""End-of-text tokens (EOS), as a package's files name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tyllm.package.file_names import CONFIG, GENERATION_CONFIG
from tyllm.package.hf_config import HfConfig, HfGenerationConfig
from tyllm.package.json_file import checked


def eos_token_ids(
    generation_config: Mapping[str, Any], config: Mapping[str, Any], of_tokenizer: int | None = None
) -> tuple[int, ...]:
    """Token ids of generation_config.json, or else of config.json, or else of its `text_config`; and the tokenizer's.

    Chat models end an answer with the tokenizer's (<|im_end|>), which the other files do not always know.

    Raises:
        PackageError: they are no integers.
    """
    own = checked(generation_config, Path(GENERATION_CONFIG), HfGenerationConfig, whole=False)
    ids = own.eos_token_id
    if ids is None:
        ids = checked(config, Path(CONFIG), HfConfig, whole=False).first("eos_token_id")
    named = () if ids is None else ids if isinstance(ids, tuple) else (ids,)
    return named if of_tokenizer is None or of_tokenizer in named else (*named, of_tokenizer)
