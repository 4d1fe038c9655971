"""Maps a .params file: safetensors whose tensors start at multiples of 64 bytes, so that code uses them in place.

Format: https://huggingface.co/docs/safetensors/index#format. It allows no gaps, so the bytes between two tensors belong
to a tensor whose name starts with `PADDING`.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.package.memory_map import map_file
from tyllm_base.errors import PackageError

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
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
    """A mapped .params file: `tensors` by name, and `address`, where its data section begins in memory.

    Pages are read when they are touched and shared by all processes. The arrays and the address live as long as this.
    """

    def __init__(self, path: Path) -> None:
        """Map the file; raises `PackageError` where it is missing or damaged."""
        try:
            with path.open("rb") as file:
                self._map = map_file(file)
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise PackageError(f"Cannot map {path} ({error}); compile the model again.") from error
        header, start = _read_header(path, self._map)
        self.data: npt.NDArray[np.uint8] = np.frombuffer(self._map, np.uint8, offset=start)
        self.address: int = self.data.ctypes.data
        self.tensors = {n: self._tensor(path, n, e) for n, e in header.items() if not n.startswith(PADDING)}

    def _tensor(self, path: Path, name: str, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
        try:
            dtype, shape, (first, last) = DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
            if not 0 <= first <= last <= self.data.size or last - first != math.prod(shape) * dtype.itemsize:
                raise ValueError(f"bytes {first} to {last} of {self.data.size}")
            return self.data[first:last].view(dtype).reshape(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise PackageError(f"{name} in {path} is damaged ({error}); compile the model again.") from error


def _read_header(path: Path, mapped: mmap.mmap) -> tuple[dict[str, Any], int]:
    """The header's entries and the file offset of the data section."""
    start = 8 + int.from_bytes(mapped[:8], "little")
    if start > len(mapped) or start % ALIGNMENT:
        raise PackageError(f"{path} is no .params file: its data would start at byte {start} of {len(mapped)}; "
                           "compile the model again.")  # fmt: skip
    try:
        header: dict[str, Any] = json.loads(mapped[8:start])
        header.pop("__metadata__", None)
    except (ValueError, AttributeError) as error:
        raise PackageError(f"{path} has a damaged header ({error}); compile the model again.") from error
    return header, start
