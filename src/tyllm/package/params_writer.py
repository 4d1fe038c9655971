"""Writes a .params file one tensor at a time, so that a model never lies in memory as a whole."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tyllm.package.manifest import FileEntry
from tyllm.package.package_files import ALIGNMENT
from tyllm.package.params import DTYPES, PADDING

_BLOCK = 4 << 20
"""Bytes of a write. Linux caches a file that is written so in large pages, which are mapped in a fifth of the time of
small ones, and read a fifth faster (docs/log/linear_kernels.md)."""

NAMES = {dtype: name for name, dtype in DTYPES.items()}
Spec = tuple[npt.DTypeLike, tuple[int, ...]]


def offsets(specs: Mapping[str, Spec]) -> dict[str, int]:
    """The byte at which each tensor starts in the data section, in the order given; each a multiple of 64."""
    result, end = {}, 0
    for name, spec in specs.items():
        result[name] = end
        end += _aligned(_nbytes(spec))
    return result


class ParamsWriter:
    """A .params file under way: the header first, then `append_rows` for all tensors in the order of `specs`.

    Args:
        path: the file, which is overwritten.
        specs: dtype and shape of every tensor by name.
    """

    def __init__(self, path: Path, specs: Mapping[str, Spec]) -> None:
        self._hash = hashlib.sha256()
        self._size = 0
        self._specs = dict(specs)
        self._rows = 0  # of the tensor that is under way
        self._block, self._filled = bytearray(_BLOCK), 0
        self._file = path.open("wb", buffering=0)
        self._write(_header(self._specs))

    def append_rows(self, name: str, rows: npt.NDArray[Any]) -> None:
        """Write the next rows [n, …] of the next tensor, or all of it.

        Raises:
            ValueError: they are not what the header announces at this place.
        """
        expected = next(iter(self._specs), "")
        dtype, shape = self._specs.get(expected, ("uint8", ()))
        count, length = (len(rows), shape[0]) if shape and rows.ndim else (1, 1)
        fits = rows.dtype == np.dtype(dtype) and rows.ndim == len(shape) and rows.shape[1:] == shape[1:]
        if name != expected or not fits or self._rows + count > length:
            raise ValueError(f"{name} {rows.dtype} {rows.shape} is not next in the file, {expected} {dtype} {shape} is")
        self._write(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
        self._rows += count
        if self._rows == length:
            self._write(b"\0" * (_aligned(_nbytes((dtype, shape))) - _nbytes((dtype, shape))))
            del self._specs[name]
            self._rows = 0

    def close(self) -> FileEntry:
        """End the file; its size and SHA-256 for the manifest. Raises `ValueError` where tensors are missing."""
        self._flush()
        self._file.close()
        if self._specs:
            raise ValueError(f"{len(self._specs)} tensors were not written, the first is {next(iter(self._specs))}")
        return FileEntry(self._size, self._hash.hexdigest())

    def _write(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._size += len(data)
        data = memoryview(data)
        while data:
            count = min(len(data), _BLOCK - self._filled)
            self._block[self._filled : self._filled + count] = data[:count]
            self._filled, data = self._filled + count, data[count:]
            if self._filled == _BLOCK:
                self._flush()

    def _flush(self) -> None:
        """Write what is in the block; a disk that fills up takes a part, and refuses the next."""
        rest = memoryview(self._block)[: self._filled]
        while rest:
            rest = rest[self._file.write(rest) :]
        self._filled = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def write_params(path: Path, tensors: Mapping[str, npt.NDArray[Any]]) -> FileEntry:
    """Write tensors of any shape that are in memory; returns the file's entry for the manifest."""
    with ParamsWriter(path, {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}) as writer:
        for name, tensor in tensors.items():
            writer.append_rows(name, tensor)
        return writer.close()


def _header(specs: Mapping[str, Spec]) -> bytes:
    """Length and JSON, padded with spaces: the data section starts at a multiple of 64."""
    entries: dict[str, Any] = {}
    for index, (name, start) in enumerate(offsets(specs).items()):
        dtype, shape = specs[name]
        end = start + _nbytes(specs[name])
        entries[name] = {"dtype": NAMES[np.dtype(dtype)], "shape": list(shape), "data_offsets": [start, end]}
        gap = _aligned(end) - end
        if gap:
            entries[f"{PADDING}{index}"] = {"dtype": "U8", "shape": [gap], "data_offsets": [end, end + gap]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _nbytes(spec: Spec) -> int:
    return math.prod(spec[1]) * np.dtype(spec[0]).itemsize


def _aligned(count: int) -> int:
    return -(-count // ALIGNMENT) * ALIGNMENT
