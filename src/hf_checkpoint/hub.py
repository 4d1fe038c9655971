"""Where a model's folder is: a local one, or a name that huggingface_hub downloads or has in its cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tyllm_base.errors import CheckpointError

DOWNLOADED = ("*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "*.tiktoken", "*.py")


def local_folder(model_path: str | Path, cache_dir: str | None = None, **download: Any) -> Path:
    """The folder of `model_path`, downloaded to `cache_dir` if it is the name of a model on the hub.

    Raises:
        CheckpointError: it is neither a folder nor a name that can be downloaded.
    """
    if not isinstance(model_path, str | Path):
        raise CheckpointError(f"{model_path!r} is no path; give the folder that holds config.json.")
    path = Path(os.path.expanduser(model_path))  # noqa: PTH111 (pathlib's raises for a user without a home)
    if path.is_dir():
        return path
    parts = str(model_path).split("/")
    if len(parts) != 2 or not all(parts) or parts[0] in (".", "..", "~"):
        raise CheckpointError(f"{model_path} is not a folder; give the folder that holds config.json.")
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(str(model_path), cache_dir=cache_dir, allow_patterns=list(DOWNLOADED), **download)
        )
    except Exception as error:  # the hub's client raises errors of many libraries
        raise CheckpointError(
            f"{model_path} is no folder here and cannot be downloaded ({type(error).__name__}); give a local folder."
        ) from error
