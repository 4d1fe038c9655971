"""Maps a .params file: safetensors whose tensors start at multiples of 64 bytes, so that code uses them in place.

Format: https://huggingface.co/docs/safetensors/index#format. It allows no gaps, so the bytes between two tensors belong
to a tensor whose name starts with `PADDING`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.package.held_path import HeldPath
from tyllm.package.memory_map import map_file
from tyllm.package.package_files import ALIGNMENT
from tyllm_base.errors import PackageError
from tyllm_base.json_reader import parse_json
from tyllm_base.regular_file import open_regular

PADDING = "padding."
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "I64": np.dtype(np.int64),
    "U64": np.dtype(np.uint64),
    "I32": np.dtype(np.int32),
    "U32": np.dtype(np.uint32),
    "I16": np.dtype(np.int16),
    "U16": np.dtype(np.uint16),
    "I8": np.dtype(np.int8),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}


class Params:
    """A .params file in memory: `tensors` by name, and `address`, where its data section begins.

    Pages of a mapped file are read when they are touched and shared by all processes. The arrays and the address live
    as long as this, and until `close`.
    """

    def __init__(self, path: Traversable) -> None:
        """Map the file, unless `path` is in an opened package; raises `PackageError` where it is missing or damaged."""
        content = _content(path)
        start = _data_start(path, content)
        self.data: npt.NDArray[np.uint8] = content[start:]
        self.address: int = self.data.ctypes.data
        header = _header(path, content[8:start].tobytes())
        self.tensors = {n: self._tensor(path, n, e) for n, e in header.items() if not n.startswith(PADDING)}

    def close(self) -> None:
        """Let go of the memory, which is unmapped when no array looks into it any more."""
        self.tensors, self.data, self.address = {}, self.data[:0].copy(), 0

    def _tensor(self, path: Traversable, name: str, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
        try:
            dtype, shape, (first, last) = DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
            if not 0 <= first <= last <= self.data.size or last - first != math.prod(shape) * dtype.itemsize:
                raise ValueError(f"bytes {first} to {last} of {self.data.size}")
            return self.data[first:last].view(dtype).reshape(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise PackageError(f"{name} in {path} is damaged ({error}); compile the model again.") from error


def params_data(path: Traversable) -> npt.NDArray[np.uint8]:
    """The data section of a .params file, uint8 [bytes], for code that knows the places of its tensors.

    It is of the same memory, with the same errors, as `Params`; the header is not read.
    """
    content = _content(path)
    return content[_data_start(path, content) :]


def _content(path: Traversable) -> npt.NDArray[np.uint8]:
    """All bytes of the file, uint8 [bytes], at a multiple of `ALIGNMENT`."""
    if isinstance(path, HeldPath):
        content = path.content()
        if isinstance(content, bytes):
            raise PackageError(f"{path} is no .params file; compile the model again.")
        return content
    with os.fdopen(open_regular(Path(str(path)), PackageError, "compile the model again"), "rb") as file:
        try:
            return map_file(file.fileno(), os.fstat(file.fileno()).st_size)
        except OSError as error:  # of an empty file too
            raise PackageError(f"Cannot map {path} ({error}); compile the model again.") from error


def _data_start(path: Traversable, content: npt.NDArray[np.uint8]) -> int:
    """The offset of the data section in bytes."""
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    if start > len(content) or start % ALIGNMENT:
        raise PackageError(f"{path} is no .params file: its data would start at byte {start} of {len(content)}; "
                           "compile the model again.")  # fmt: skip
    return start


def _header(path: Traversable, text: bytes) -> dict[str, Any]:
    """The header's entries."""
    try:
        header: dict[str, Any] = parse_json(text)
        header.pop("__metadata__", None)
    except (ValueError, AttributeError, TypeError) as error:
        raise PackageError(f"{path} has a damaged header ({error}); compile the model again.") from error
    return header
