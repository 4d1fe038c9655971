"""A package's folder while it is opened: by a descriptor, so that all that is read of it is of one and the same folder.

Files and folders may be symbolic links (of a file store that keeps contents elsewhere): what counts is the content that
they lead to, which is hashed like any other, and what else lies there.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tyllm.package.file_names import MANIFEST, SIGNATURE, SIGNATURE_UNDER_WAY
from tyllm.package.manifest import FileEntry
from tyllm_base.errors import PackageError
from tyllm_base.regular_file import FLAGS, KINDS
from tyllm_base.system_errors import reading
from tyllm_base.user_path import user_path

UNNAMED = (MANIFEST, SIGNATURE, SIGNATURE_UNDER_WAY)
"""What the manifest does not name: itself, and what is made of it."""


class OpenFolder:
    """A folder that is open for reading; files in it are opened relative to it."""

    def __init__(self, path: str | Path) -> None:
        """Open it; raises `PackageError` where there is no folder, or the system refuses."""
        self.path = user_path(path, PackageError)
        with reading(self.path, PackageError):
            if not self.path.is_dir():
                raise PackageError(f"{self.path} is no folder; give the folder that `tyllm compile` made.")
            self._descriptor = os.open(self.path, FLAGS | os.O_DIRECTORY)

    @contextmanager
    def file(self, name: str) -> Iterator[int]:
        """A descriptor of a regular file in it.

        Raises:
            PackageError: there is no such file, or the system refuses to open it or, inside the block, to read it.
        """
        with self._explained(name):
            self._check_kind(name, os.stat(name, dir_fd=self._descriptor))  # opening some devices does something
            descriptor = os.open(name, FLAGS, dir_fd=self._descriptor)
            try:
                self._check_kind(name, os.fstat(descriptor))
                yield descriptor
            finally:
                os.close(descriptor)

    def _check_kind(self, name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
            raise PackageError(f"{self.path / name} is {kind} and should be a file; copy the package again.")

    def has(self, name: str) -> bool:
        """Whether there is anything of that name."""
        with reading(self.path / name, PackageError):
            try:
                os.stat(name, dir_fd=self._descriptor)
            except FileNotFoundError:
                return False
        return True

    def check_files(self, entries: Mapping[str, FileEntry]) -> None:
        """Every file is there with its size, and no other but manifest and signature is; raises `PackageError`."""
        for name, entry in entries.items():
            _check_name(self.path, name)
            with self._explained(name):
                status = os.stat(name, dir_fd=self._descriptor)
                self._check_kind(name, status)
            check_size(f"{self.path}/{name}", status.st_size, entry)
        for extra in self._extra({*UNNAMED, *entries}):
            raise PackageError(f"{self.path} holds {extra}, which its manifest does not name; remove that file.")

    def close(self) -> None:
        """Close the descriptor; calling it twice is no mistake."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _extra(self, names: Collection[str]) -> Iterator[str]:
        """What lies in the folders of `names` beside them; a folder without any of them may be there, if it is empty.

        Only folders that lead to a name are looked into, so a link to a folder is followed there and nowhere else.
        """
        folders = {name[:at] for name in names for at, letter in enumerate(name) if letter == "/"}
        for folder in ("", *sorted(folders)):
            for found, is_folder in self._entries(folder or "."):
                name = f"{folder}/{found}" if folder else found
                if name in names or name in folders:
                    continue
                if is_folder:
                    yield from (f"{name}/{inner}" for inner, _ in self._entries(name))
                else:
                    yield name

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """The names in a folder, in order, and whether each is a folder, not a link to one."""
        with self._explained(folder):
            descriptor = os.open(folder, FLAGS | os.O_DIRECTORY, dir_fd=self._descriptor)
            try:
                with os.scandir(descriptor) as entries:
                    return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
            finally:
                os.close(descriptor)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        with reading(self.path if name == "." else f"{self.path}/{name}", PackageError):
            try:
                yield
            except (FileNotFoundError, NotADirectoryError) as error:
                raise PackageError(f"{self.path} lacks {name}; copy it again or compile the model again.") from error
            except MemoryError as error:
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def check_size(path: str, size: int, entry: FileEntry) -> None:
    """A file has the size that the manifest says; raises `PackageError`."""
    if size != entry.size:
        word = "truncated" if size < entry.size else "too long"
        raise PackageError(f"{path} is {word}: {size} bytes instead of {entry.size}; copy it again or compile again.")


def _check_name(folder: Path, name: str) -> None:
    """A name in the manifest leads to a place in the folder, by the only way in which it can be written."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        raise PackageError(
            f"The manifest of {folder} names {name}, a file outside the folder; compile the model again."
        )
    if "" in parts or "." in parts or not name.isprintable():
        raise PackageError(f"The manifest of {folder} names {name!r:.80}, which is no file's path; compile again.")
