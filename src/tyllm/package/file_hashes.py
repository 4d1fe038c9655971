"""SHA-256 of files, and a cache of those computed before, since a gigabyte takes a second or two."""

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
MOST_CACHED = 1000  # files; the oldest are dropped first


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits.

    A large file is read through a mapping, so that it comes into the page cache in large pages: see `map_file`.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < _LARGE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        with map_file(file) as mapped:
            return hashlib.sha256(mapped).hexdigest()


def hash_cache_file() -> Path:
    """The file of the cache: `tyllm/verified.json` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tyllm" / "verified.json"


class HashCache:
    """SHA-256 by what changes when a file changes: device, inode, size, and the times of its data and of its inode.

    A cache that cannot be read or written is no error: files are then hashed each time.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or hash_cache_file()
        self._known: dict[str, str] = {}
        self._changed = False
        with suppress(OSError, ValueError, TypeError):
            self._known = dict(json.loads(self._path.read_text(encoding="utf-8")))

    def cached_sha256(self, path: Path) -> str:
        """The hash of a file from the cache, or computed now; 64 hexadecimal digits. Raises `OSError`."""
        return self._known.get(_identity(path)) or self.fresh_sha256(path)

    def fresh_sha256(self, path: Path) -> str:
        """The hash of a file, computed now and put into the cache; 64 hexadecimal digits. Raises `OSError`."""
        found = sha256_of(path)
        self.store(path, found)
        return found

    def store(self, path: Path, sha256: str) -> None:
        """Put the hash of a file into the cache whose bytes were hashed while they were written."""
        key = _identity(path)
        self._known.pop(key, None)  # it is the newest now
        self._known[key] = sha256
        self._changed = True

    def save(self) -> None:
        """Write the cache if it has changed, whole or not at all: its newest `MOST_CACHED` hashes."""
        if not self._changed:
            return
        kept = dict(list(self._known.items())[-MOST_CACHED:])
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as file:
                json.dump(kept, file)
            Path(file.name).replace(self._path)


def remember_hashes(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Cache the hashes of a package's files that were just written, so that its first opening need not read them."""
    hashes = HashCache()
    for name, entry in files.items():
        hashes.store(folder / name, entry.sha256)
    hashes.save()


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
