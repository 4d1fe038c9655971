"""A path that a user gave."""

from __future__ import annotations

import os
from pathlib import Path

from tyllm_base.errors import TyllmError
from tyllm_base.option_checks import shown


def user_path(given: object, error: type[TyllmError]) -> Path:
    """The path, if it is one; raises `error` for anything else."""
    if isinstance(given, str | Path) or (isinstance(given, os.PathLike) and isinstance(given.__fspath__(), str)):
        try:
            possible = b"\0" not in os.fsencode(given)
        except UnicodeEncodeError:  # half of a surrogate pair
            possible = False
        if possible:
            return Path(given)
    raise error(f"{shown(given)} is no path; give the path of a folder or a file as a string.")
