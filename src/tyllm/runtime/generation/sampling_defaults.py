"""Sampling parameters that the checkpoint's author wants where the caller says nothing: of generation_config.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tyllm.package.file_names import GENERATION_CONFIG
from tyllm.package.hf_config import HfGenerationConfig
from tyllm.package.json_file import checked

FILTERS = ("top_k", "top_p", "min_p", "repetition_penalty")


def sampling_defaults(generation_config: Mapping[str, Any]) -> dict[str, float]:
    """What generation_config.json says, by the name of the parameter.

    As in Hugging Face's `generate`: its temperature, 1 where it names none, counts only where `do_sample` is true, so
    that other checkpoints are greedy; the filters count whenever tokens are drawn, and the repetition penalty always.
    A filter that the file does not name is off, as in vLLM; transformers would take a top_k of 50.

    Raises:
        PackageError: a value that cannot be.
    """
    config = checked(generation_config, Path(GENERATION_CONFIG), HfGenerationConfig, whole=False)
    found = {name: value for name in FILTERS if (value := getattr(config, name)) is not None}
    if "top_k" in found:
        found["top_k"] = max(found["top_k"], 0)
    if config.do_sample:
        found["temperature"] = 1.0 if config.temperature is None else config.temperature
    return found
