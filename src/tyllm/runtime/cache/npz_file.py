"""A .npz file in memory, read without believing it: no array is made before its type and shape are those expected."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
SUFFIX = ".npy"
ENTRY = b"PK\x01\x02"  # begins an entry of a zip file's directory
BY_CHANCE = 100  # of these four bytes within the arrays; 16 GB of noise have four
MAX_HEADER = 1024  # bytes of an array's header; those that NumPy writes for known types have 128


class NpzFile:
    """The arrays of a .npz file as NumPy's `savez` writes it, that is, not compressed."""

    def __init__(self, content: bytes, most: int) -> None:
        """Read the directory, of at most about `most` arrays; raises `ValueError` with the middle of a sentence."""
        if content.count(ENTRY) > most + BY_CHANCE:
            raise ValueError("it has too many arrays")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except Exception as error:  # a damaged directory makes it stumble in any way
            raise ValueError(f"it is no .npz file: {error}") from error

    def check_names(self, names: Collection[str]) -> None:
        """Raise `ValueError`, with the middle of a sentence, unless there are these arrays and no others."""
        found = [entry.filename.removesuffix(SUFFIX) for entry in self._zip.infolist()]
        if missing := set(names) - set(found):
            raise ValueError(f"{min(missing)} is missing")
        if len(found) != len(names):
            extra = next((name for name in found if name not in names), "an array twice")
            raise ValueError(f"it has {extra!r:.60} too")

    def read(self, name: str, dtype: np.dtype[Any], shape: tuple[int | None, ...]) -> Array:
        """An array, read only.

        Args:
            name: without suffix.
            dtype: its type, byte order included; of texts ("<U64") the longest.
            shape: where it has None, any length will do that the file is long enough for.

        Raises:
            ValueError: it is of another type or shape, or damaged; with the middle of a sentence.
        """
        try:
            return self._read(name, dtype, shape)
        except ValueError:
            raise
        except KeyError:
            raise ValueError(f"{name} is missing") from None
        except Exception as error:  # of zipfile, of zlib, of Python's parser, which NumPy reads headers with
            raise ValueError(f"{name} is damaged: {error}") from error

    def _read(self, name: str, dtype: np.dtype[Any], shape: tuple[int | None, ...]) -> Array:
        entry = self._zip.getinfo(name + SUFFIX)
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise ValueError(f"{name} is compressed")  # a few bytes would fill the memory
        with self._zip.open(entry) as file:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"{name} has a header of version {version}")
            found, by_columns, stored = np.lib.format.read_array_header_1_0(file, max_header_size=MAX_HEADER)
            fits = len(found) == len(shape) and all(
                length in (None, there) for length, there in zip(shape, found, strict=True)
            )
            if by_columns or not fits or not _is_of(stored, dtype):
                raise ValueError(f"{name} is {stored} {list(found)} and should be {dtype} {list(shape)}")
            size = entry.file_size - file.tell()
            if size != int(np.prod(found, dtype=object)) * stored.itemsize:
                raise ValueError(f"{name} has {size} bytes")
            return np.frombuffer(file.read(), stored).reshape(found)


def _is_of(stored: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    """Whether a type is the one expected; a text may be shorter."""
    if dtype.kind != "U":
        return stored == dtype
    return stored.kind == "U" and stored.isnative and stored.itemsize <= dtype.itemsize
