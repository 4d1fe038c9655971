"""The files beside a checkpoint's weights that come along: generation config, chat template, tokenizer and others."""

from __future__ import annotations

from pathlib import Path

from tyllm_base.errors import CheckpointError
from tyllm_base.system_errors import reading

PATTERNS = (
    "generation_config.json",
    "chat_template*",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.tiktoken",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
)


def auxiliary_files(folder: Path) -> list[Path]:
    """Those of the checkpoint in `folder`, without config.json, which each writer makes for itself."""
    return [file for pattern in PATTERNS for file in folder.glob(pattern) if file.is_file()]


def copy_auxiliary_files(source: Path, folder: Path) -> None:
    """Copy those of the checkpoint in `source` into `folder`; raises `CheckpointError`, `OSError`."""
    for file in auxiliary_files(source):
        copy_file(file, folder / file.name)


def copy_file(file: Path, target: Path) -> None:
    """Copy a small file; raises `CheckpointError` where it cannot be read, `OSError` where it cannot be written."""
    with reading(file, CheckpointError):
        content = file.read_bytes()
    target.write_bytes(content)
