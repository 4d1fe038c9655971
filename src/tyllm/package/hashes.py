"""SHA-256 of files, and a memory of those that were right, since a gigabyte takes a second or two."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

MOST_REMEMBERED = 1000  # files; the oldest are forgotten first


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def memory_file() -> Path:
    """Where the hashes are kept: in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tyllm" / "verified.json"


class HashMemory:
    """SHA-256 by what changes when a file changes: device, inode, size, and the times of its data and of its inode.

    A memory that cannot be read or written is no error: files are then hashed each time.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or memory_file()
        self._known: dict[str, str] = {}
        self._changed = False
        with suppress(OSError, ValueError, TypeError):
            self._known = dict(json.loads(self._path.read_text(encoding="utf-8")))

    def sha256_of(self, path: Path) -> str:
        """The hash of a file, remembered or computed now."""
        return self._known.get(_identity(path)) or self.compute(path)

    def compute(self, path: Path) -> str:
        """The hash of a file, computed now and remembered."""
        key = _identity(path)
        self._known.pop(key, None)
        self._known[key] = sha256_of(path)
        self._changed = True
        return self._known[key]

    def save(self) -> None:
        """Write what is new, whole or not at all."""
        if not self._changed:
            return
        kept = dict(list(self._known.items())[-MOST_REMEMBERED:])
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as file:
                json.dump(kept, file)
            Path(file.name).replace(self._path)


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
