"""The files of an opened package, held: whoever uses the package reads here, and never again from its folder.

Each file was opened once; its size and SHA-256 were checked on the same descriptor from which it is held. So a folder
that is replaced, swapped or truncated under an open session changes nothing, but for one thing: large parameters are
mapped, not copied, and whoever writes into the very file changes what is mapped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from tyllm.package.file_hashes import HashCache, file_identity
from tyllm.package.file_names import MANIFEST
from tyllm.package.manifest import FileEntry
from tyllm.package.memory_map import map_file
from tyllm.package.open_folder import OpenFolder, check_size
from tyllm_base.errors import PackageError
from tyllm_base.progress import Progress

Content = bytes | npt.NDArray[np.uint8]
Hashing = Literal["cached", "fresh", "none"]
PARAMS = ".params"
ALIGNMENT = 64  # bytes: a cache line, and the widest vector
MAPPED = 1 << 18  # bytes: parameters from this size on are mapped, smaller ones copied
MOST_COPIED = 1 << 30


class PackageFiles:
    """The contents of files by their names in the manifest; only these names can be asked for."""

    def __init__(self, folder: Path) -> None:
        """Hold nothing yet of `folder`, which errors name."""
        self.folder = folder
        self._held: dict[str, Content] = {}
        self._by_hash: dict[str, bytes] = {}  # dies of equal shapes have equal code: it is held once
        self._is_closed = False

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self._held.values()))

    def hold_manifest(self, opened: OpenFolder) -> None:
        """Read the manifest, which says what the others are; raises `PackageError`."""
        with opened.file(MANIFEST) as descriptor:
            self._held[MANIFEST] = _copy(f"{self.folder}/{MANIFEST}", descriptor)

    def hold(
        self, opened: OpenFolder, entries: Mapping[str, FileEntry], hashing: Hashing = "cached",
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        """Check files and hold them.

        Args:
            opened: where they are read.
            entries: their names, sizes and hashes.
            hashing: of mapped parameters: "cached" hashes those that changed since they were last hashed, "fresh" all,
                "none" none. Whatever else there is, is hashed always.
            progress: called as `progress(bytes done, bytes in all, file)`.

        Raises:
            PackageError: a file is missing, truncated, too long or changed, or the system refuses.
        """
        done, total, hashes = 0, sum(entry.size for entry in entries.values()), HashCache()
        try:
            for name, entry in entries.items():
                with opened.file(name) as descriptor:
                    self._held[name] = self._checked(descriptor, f"{self.folder}/{name}", entry, hashes, hashing)
                done += entry.size
                if progress:
                    progress(done, total, name)
        finally:
            hashes.save()

    def content(self, name: str) -> Content:
        """What a file holds; raises `PackageError` for a name that the manifest has not, or where this is closed."""
        self._check_open()
        try:
            return self._held[name]
        except KeyError as error:
            raise PackageError(
                f"The manifest of {self.folder} does not name {name}; compile the model again."
            ) from error

    def names(self) -> Iterator[str]:
        """The names of the files; raises `PackageError` where this is closed."""
        self._check_open()
        return iter(self._held)

    def close(self) -> None:
        """Let go of all contents; a mapping is gone when the last array that looks into it is."""
        self._held, self._by_hash, self._is_closed = {}, {}, True

    def _check_open(self) -> None:
        if self._is_closed:
            raise PackageError(f"{self.folder} was closed; open the package again.")

    def _checked(self, descriptor: int, path: str, entry: FileEntry, hashes: HashCache, hashing: Hashing) -> Content:
        check_size(path, os.fstat(descriptor).st_size, entry)
        if path.endswith(PARAMS) and entry.size >= MAPPED:
            return _mapped(descriptor, path, entry, hashes, hashing)
        content = _copy(path, descriptor)
        _compare(path, entry, hashlib.sha256(content).hexdigest())
        return _aligned(content) if path.endswith(PARAMS) else self._by_hash.setdefault(entry.sha256, content)


def _mapped(descriptor: int, path: str, entry: FileEntry, hashes: HashCache, hashing: Hashing) -> Content:
    """A file in its place, checked as `hashing` says; one that does not match is forgotten before the error."""
    before, mapped = file_identity(descriptor), map_file(descriptor, entry.size)
    if hashing != "none":
        found = hashes.sha256_of(descriptor, fresh=hashing == "fresh")
        if found != entry.sha256:
            hashes.forget(descriptor)
        _compare(path, entry, found)
    if file_identity(descriptor) != before:
        raise PackageError(f"{path} was written while it was checked; wait for the end of that and open it again.")
    return mapped


def _copy(path: str, descriptor: int) -> bytes:
    """The bytes of an open file as they are now; raises `PackageError`, `OSError` or `MemoryError`."""
    size = os.fstat(descriptor).st_size
    if size > MOST_COPIED:
        raise PackageError(f"{path} has {size:,} bytes, which only parameters may have; compile the model again.")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        content = file.read(size + 1)
    if len(content) != size:
        raise PackageError(f"{path} was written while it was read; wait for the end of that and open it again.")
    return content


def _aligned(content: bytes) -> npt.NDArray[np.uint8]:
    """A copy that begins at a multiple of `ALIGNMENT`, as compiled code expects of parameters; read-only."""
    memory = np.empty(len(content) + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copied = memory[start : start + len(content)]
    copied[:] = np.frombuffer(content, np.uint8)
    copied.flags.writeable = False
    return copied


def _compare(path: str, entry: FileEntry, found: str) -> None:
    if found != entry.sha256:
        raise PackageError(
            f"{path} was changed or damaged: its SHA-256 is {found[:12]}… instead of {entry.sha256[:12]}…; "
            "copy it again or compile the model again."
        )
