"""SHA-256 of files, and a cache of those computed before, since a gigabyte takes a second or two.

A file is looked at and read through one descriptor, and its hash is remembered only where it was the same file before
and after: what another process writes meanwhile is never taken for what was hashed.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tyllm.package.manifest import FileEntry
from tyllm_base.errors import PackageError
from tyllm_base.regular_file import open_regular
from tyllm_base.user_folders import cache_folder

MOST_CACHED = 1000  # files; the oldest are dropped first
MOST_BYTES = 1 << 20  # of the cache: a thousand hashes are 130 kB
TEMPORARY = ".tmp"
STALE_SECONDS = 3600
_BLOCK = 1 << 16  # bytes: they stay in the nearest caches until they are hashed
_LARGE = 64 << 20
_POPULATE_READ = 22  # of Linux 5.14; Python has no name for it, and none for the next
_COARSE_CLOCK = 5  # CLOCK_REALTIME_COARSE, which stamps files
_SHA256 = re.compile("[0-9a-f]{64}")


def sha256_of(descriptor: int) -> str:
    """SHA-256 of an open file as 64 hexadecimal digits; raises `OSError`.

    A large file is brought to the page cache through a mapping, in large pages (see `map_file`), and then read: whoever
    truncates it meanwhile changes the hash, where a look through the mapping would end this process (SIGBUS).
    """
    digest, block, offset = hashlib.sha256(), bytearray(_BLOCK), 0
    with _large_pages(descriptor) as mapped:
        while count := _read_block(descriptor, block, offset, mapped):
            digest.update(memoryview(block)[:count])
            offset += count
    return digest.hexdigest()


def _read_block(descriptor: int, block: bytearray, offset: int, mapped: mmap.mmap | None) -> int:
    """Read into `block` and return the bytes read; what is not in the page cache comes there by the mapping first."""
    if mapped:
        try:
            return os.preadv(descriptor, [block], offset, os.RWF_NOWAIT)
        except OSError:  # it is not in the page cache
            start = offset - offset % mmap.PAGESIZE
            with suppress(OSError, ValueError):  # an older kernel, or the file is shorter now
                mapped.madvise(_POPULATE_READ, start, min(_LARGE, len(mapped) - start))
    return os.preadv(descriptor, [block], offset)


def sha256_of_file(path: Path) -> str:
    """As `sha256_of`, of a file that need not be open; raises `PackageError` too."""
    with _opened(path) as descriptor:
        return sha256_of(descriptor)


def hash_cache_file() -> Path | None:
    """The file of the cache, `tyllm/verified.json` in the user's cache folder; None where there is no such folder."""
    folder = cache_folder()
    return folder and folder / "verified.json"


class HashCache:
    """SHA-256 by what changes when a file changes: device, inode, size, and the times of its data and of its inode.

    A cache that cannot be read or written, or that another user wrote, is no error: files are then hashed each time.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or hash_cache_file()
        self._known = _read(self._path)
        self._found: dict[str, str] = {}
        self._forgotten: set[str] = set()

    def sha256_of(self, descriptor: int, *, fresh: bool = False) -> str:
        """The hash of an open file from the cache, or computed now (always where `fresh`) and remembered.

        Returns:
            64 hexadecimal digits.

        Raises:
            OSError: the file cannot be read.
        """
        before = file_identity(descriptor)
        known = None if fresh else self._known.get(before)
        if known is not None:
            return known
        is_settled = _settle(descriptor)
        before = file_identity(descriptor)
        found = sha256_of(descriptor)
        self._forget(before)
        if is_settled and file_identity(descriptor) == before:
            self._found[before] = found
        return found

    def cached_sha256(self, path: Path) -> str:
        """As `sha256_of`, of a file that need not be open."""
        with _opened(path) as descriptor:
            return self.sha256_of(descriptor)

    def store(self, path: Path, sha256: str) -> None:
        """Remember the hash of a file whose bytes were hashed while they were written."""
        with _opened(path) as descriptor:
            if _settle(descriptor):
                self._found[file_identity(descriptor)] = sha256

    def forget(self, descriptor: int) -> None:
        """Forget the hash of an open file, which turned out to be damaged."""
        self._forget(file_identity(descriptor))

    def save(self) -> None:
        """Write the cache if it has changed, whole or not at all: its newest `MOST_CACHED` hashes."""
        if self._path is None or not (self._found or self._forgotten):
            return
        others = {key: value for key, value in _read(self._path).items() if key not in self._forgotten | {*self._found}}
        kept = list((others | self._found).items())[-MOST_CACHED:]
        with suppress(OSError):
            _replace(self._path, json.dumps(dict(kept)).encode())

    def _forget(self, identity: str) -> None:
        self._known.pop(identity, None)
        self._found.pop(identity, None)
        self._forgotten.add(identity)


def remember_hashes(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Cache the hashes of a package's files that were just written, so that its first opening need not read them."""
    hashes = HashCache()
    for name, entry in files.items():
        hashes.store(folder / name, entry.sha256)
    hashes.save()


def file_identity(descriptor: int) -> str:
    """What changes when an open file changes: device, inode, size, and the times of its data and of its inode."""
    status = os.fstat(descriptor)
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def _settle(descriptor: int) -> bool:
    """Wait until the clock that stamps files has passed an open file's times, so that a later change shows in them.

    That clock goes in steps of up to 10 ms. Times of whole seconds are of a file system that knows no shorter ones.
    """
    status = os.fstat(descriptor)
    last = max(status.st_mtime_ns, status.st_ctime_ns)
    if last % 1_000_000_000 == 0:
        last += 2_000_000_000
    for _ in range(25):
        if time.clock_gettime_ns(_COARSE_CLOCK) > last:
            return True
        time.sleep(0.001)
    return False


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = open_regular(path, PackageError, "copy it again or compile the model again")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _large_pages(descriptor: int) -> Iterator[mmap.mmap | None]:
    """A mapping of a large file that asks for large pages; None of a small one, or where the system refuses."""
    mapped = None
    with suppress(OSError, ValueError):
        if os.fstat(descriptor).st_size >= _LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
            mapped = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
            mapped.madvise(mmap.MADV_HUGEPAGE)
    try:
        yield mapped
    finally:
        if mapped is not None:
            mapped.close()


def _read(path: Path | None) -> dict[str, str]:
    """The hashes in a cache file of this user's own, as far as they are some."""
    with suppress(PackageError, OSError, ValueError, RecursionError, MemoryError):
        if path is not None:
            with os.fdopen(open_regular(path, PackageError, ""), "rb") as file:
                is_own = os.fstat(file.fileno()).st_uid == os.geteuid()
                found = json.loads(file.read(MOST_BYTES)) if is_own else {}
            pairs = found.items() if isinstance(found, dict) else ()
            return {key: value for key, value in pairs if isinstance(value, str) and _SHA256.fullmatch(value)}
    return {}


def _replace(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, and leave nothing else behind; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_litter(path)
    descriptor, name = tempfile.mkstemp(TEMPORARY, f"{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _remove_litter(path: Path) -> None:
    """Remove what processes that were killed here left behind."""
    for old in path.parent.glob(f"{path.name}.*{TEMPORARY}"):
        with suppress(OSError):
            if time.time() - old.lstat().st_mtime > STALE_SECONDS:
                old.unlink()
