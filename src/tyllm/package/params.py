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
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from tyllm.package.field_types import Bytes, Record, Shape, one_of
from tyllm.package.held_path import HeldPath
from tyllm.package.json_file import CURE, checked, json_object, shown
from tyllm.package.memory_map import map_file
from tyllm.package.package_files import ALIGNMENT
from tyllm_base.errors import PackageError
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
MOST_HEADER = 1 << 25  # bytes: a hundred thousand tensors


class TensorEntry(Record, frozen=True):
    """What the header says of a tensor; `data_offsets` are where it begins and ends in the data section."""

    dtype: Annotated[str, one_of(*DTYPES)]
    shape: Shape
    data_offsets: tuple[Bytes, Bytes]

    @property
    def nbytes(self) -> int:
        """Bytes of a tensor of that shape."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


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
        header = _header(path, content[8:start].tobytes(), self.data.size)
        self.tensors = {name: self._tensor(entry) for name, entry in header.items() if not name.startswith(PADDING)}

    def close(self) -> None:
        """Let go of the memory, which is unmapped when no array looks into it any more."""
        self.tensors, self.data, self.address = {}, self.data[:0].copy(), 0

    def _tensor(self, entry: TensorEntry) -> npt.NDArray[Any]:
        first, last = entry.data_offsets
        return self.data[first:last].view(DTYPES[entry.dtype]).reshape(entry.shape)


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
    if start > len(content) or start % ALIGNMENT or start > MOST_HEADER:
        raise PackageError(f"{path} is no .params file: its data would start at byte {start} of {len(content)}; "
                           "compile the model again.")  # fmt: skip
    return start


def _header(path: Traversable, text: bytes, size: int) -> Mapping[str, TensorEntry]:
    """The header's entries; raises `PackageError` where tensors overlap, leave gaps or do not fill `size` bytes."""
    header = checked(json_object(text, path), path, dict[str, TensorEntry])
    _check_places(path, header, size)
    return header


def _check_places(path: Traversable, header: Mapping[str, TensorEntry], size: int) -> None:
    """The tensors lie one behind the other, from the first byte of the data section to its last."""
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1].data_offsets):
        first, last = entry.data_offsets
        aligned = first % ALIGNMENT == 0 or name.startswith(PADDING)
        if first != end or last > size or last - first != entry.nbytes or not aligned:
            raise PackageError(
                f"{shown(name, 60)} in {path} is damaged: {entry.nbytes} bytes from {first} to {last} of {size}, "
                f"behind {end}; {CURE}."
            )
        end = last
    if end != size:
        raise PackageError(f"{path} is damaged: its tensors end at byte {end} of {size}; {CURE}.")
