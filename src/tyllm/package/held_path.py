"""Paths in an opened package: they are read like a `pathlib.Path`, from what is held and not from the folder.

Whoever takes a `Traversable`, as the standard library calls the interface of both, reads a package in either form.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import IO, Any

from tyllm.package.package_files import Content, PackageFiles


class HeldPath(Traversable):
    """A place in an opened package, of the interface that `pathlib.Path` and the standard library's resources share."""

    def __init__(self, files: PackageFiles, place: str | PurePosixPath = "") -> None:
        self.files, self.place = files, PurePosixPath(place)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.place.name or self.files.folder.name

    def is_file(self) -> bool:
        """Whether the manifest names it."""
        return str(self.place) in self.files.names()

    def is_dir(self) -> bool:
        """Whether the manifest names a file below it."""
        return next(self.iterdir(), None) is not None

    def iterdir(self) -> Iterator[HeldPath]:
        """What lies in it."""
        depth = len(self.place.parts)
        below = (PurePosixPath(n) for n in self.files.names() if self.place in PurePosixPath(n).parents)
        yield from (self / part for part in dict.fromkeys(path.parts[depth] for path in below))

    def joinpath(self, *descendants: str | os.PathLike[str]) -> HeldPath:
        """A place below; one that leads out of the package is the name of no file in it."""
        return HeldPath(self.files, self.place.joinpath(*descendants))

    def __truediv__(self, child: str | os.PathLike[str]) -> HeldPath:
        return self.joinpath(child)

    def content(self) -> Content:
        """What it holds, without a copy; raises `PackageError` where it is no file."""
        return self.files.content(str(self.place))

    def read_bytes(self) -> bytes:
        """What it holds; raises `PackageError` where it is no file."""
        content = self.content()
        return content if isinstance(content, bytes) else content.tobytes()

    def read_text(self, encoding: str | None = None) -> str:
        """The same as text; raises `UnicodeDecodeError`."""
        return self.read_bytes().decode(encoding or "utf-8")

    def open(self, mode: str = "r", *_: object, encoding: str | None = None, **__: object) -> IO[Any]:
        """The same as a file to read."""
        binary = io.BytesIO(self.read_bytes())
        return binary if "b" in mode else io.TextIOWrapper(binary, encoding or "utf-8")

    def __str__(self) -> str:
        return str(self.files.folder / self.place)

    def __repr__(self) -> str:
        return f"HeldPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeldPath) and (self.files, self.place) == (other.files, other.place)

    def __hash__(self) -> int:
        return hash((id(self.files), self.place))
