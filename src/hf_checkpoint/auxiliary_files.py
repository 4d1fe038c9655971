"""The files beside a checkpoint's weights that come along: generation config, chat template, tokenizer and others."""

from __future__ import annotations

import warnings
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

SNAPSHOTS, CACHED = "snapshots", "models--"  # ~/.cache/huggingface/hub/models--org--name/snapshots/<revision>


def auxiliary_files(folder: Path) -> list[Path]:
    """Those of the checkpoint in `folder`, without config.json, which each writer makes for itself.

    Only regular files. A symbolic link that leads out of the folder is left out and told by a warning, since what it
    leads to would be copied; the hub's cache, whose files are links to `blobs` beside `snapshots`, is one folder.
    """
    found = []
    for file in [file for pattern in PATTERNS for file in folder.glob(pattern) if file.is_file()]:
        if _leads_out(file, folder):
            warnings.warn(
                f"{file} is a link to {file.resolve()}, out of the checkpoint, and is not copied; put the file itself "
                "there if it belongs to the model.",
                stacklevel=2,
            )
        else:
            found.append(file)
    return found


def _leads_out(file: Path, folder: Path) -> bool:
    """Whether a file lies outside of the folder that it is named in, or of the hub's cache of the model."""
    inside = folder.resolve()
    if inside.parent.name == SNAPSHOTS and inside.parent.parent.name.startswith(CACHED):
        inside = inside.parent.parent
    return not file.resolve().is_relative_to(inside)


def copy_auxiliary_files(source: Path, folder: Path) -> None:
    """Copy those of the checkpoint in `source` into `folder`; raises `CheckpointError`, `OSError`."""
    for file in auxiliary_files(source):
        copy_file(file, folder / file.name)


def copy_file(file: Path, target: Path) -> None:
    """Copy a small file; raises `CheckpointError` where it cannot be read, `OSError` where it cannot be written."""
    with reading(file, CheckpointError):
        content = file.read_bytes()
    target.write_bytes(content)
