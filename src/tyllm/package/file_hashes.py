"""SHA-256 of files, and a memory of those that were right, since a gigabyte takes a second or two."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tyllm.package.manifest import FileEntry
from tyllm.package.memory_map import map_file

_LARGE = 64 << 20  # bytes
MOST_REMEMBERED = 1000  # files; the oldest are forgotten first


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits.

    A large file is read through a mapping, so that it comes into the page cache in large pages: see `map_file`.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < _LARGE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        with map_file(file) as mapped:
            return hashlib.sha256(mapped).hexdigest()


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
        found = sha256_of(path)
        self.remember(path, found)
        return found

    def remember(self, path: Path, sha256: str) -> None:
        """Keep the hash of a file whose bytes were hashed on their way into it."""
        key = _identity(path)
        self._known.pop(key, None)  # it is the newest now
        self._known[key] = sha256
        self._changed = True

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


def remember(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Keep the hashes of a package's files that were just written, so that its first opening need not read them."""
    memory = HashMemory()
    for name, entry in files.items():
        memory.remember(folder / name, entry.sha256)
    memory.save()


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
