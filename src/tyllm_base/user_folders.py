"""Folders of the user: where caches go, and what is temporary; a user without a home has neither, and works."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tyllm_base.errors import OutputError

NAME = "tyllm"


def cache_folder() -> Path | None:
    """Our folder in the user's cache, which may not be there yet; None where the user has no home and names no cache.

    As the XDG specification has it, a relative $XDG_CACHE_HOME counts for nothing.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if named.is_absolute():
        return named / NAME
    try:
        home = Path(os.environ["HOME"]) if "HOME" in os.environ else Path.home()
    except RuntimeError:  # nobody knows the user
        return None
    return home / ".cache" / NAME if home.is_absolute() else None


def writable_cache_folder(name: str) -> Path | None:
    """The folder `name` in the cache, made now; None where it cannot be written."""
    cache = cache_folder()
    if cache is None:
        return None
    folder = cache / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def temporary_place() -> Path:
    """A folder for what is temporary: the system's, or else one in the cache; raises `OutputError` for neither."""
    try:
        return Path(tempfile.gettempdir()).absolute()
    except FileNotFoundError as error:
        folder = writable_cache_folder("temporary")
        if folder is None:
            raise OutputError(
                "There is no folder for temporary files: neither /tmp nor the home folder can be written; "
                "set TMPDIR to a folder that can."
            ) from error
        return folder
