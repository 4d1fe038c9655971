"""The folder of the user's cache."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path | None:
    """Where programs keep what they can make again; None for a user without a home, as in many containers."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given)
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # no HOME, and no entry in the table of users
        return None
