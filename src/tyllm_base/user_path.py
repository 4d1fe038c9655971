"""A path that a user gave."""

from __future__ import annotations

import os
from pathlib import Path

from tyllm_base.errors import TyllmError


def user_path(given: object, error: type[TyllmError]) -> Path:
    """The path, if it is one; raises `error` for anything else."""
    if isinstance(given, str | Path) or (isinstance(given, os.PathLike) and isinstance(given.__fspath__(), str)):
        return Path(given)
    raise error(f"{given!r:.60} is no path; give the path of a folder or a file as a string.")
