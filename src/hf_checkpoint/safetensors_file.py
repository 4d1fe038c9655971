"""Reads the header of a safetensors file without its data, and writes one block by block.

Format: https://huggingface.co/docs/safetensors/index#format: eight bytes with the header's length, the header as JSON,
then the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_checkpoint.dtypes import DTYPES, NAMES
from tyllm_base.atomic_files import atomic_file
from tyllm_base.errors import CheckpointError
from tyllm_base.json_reader import parse_json
from tyllm_base.regular_file import open_regular
from tyllm_base.system_errors import reading

Array = npt.NDArray[Any]

BLOCK_BYTES = 1 << 26  # bytes of a tensor looked at in one go
MAX_HEADER = 100_000_000  # bytes, the limit of the reference implementation
MAX_NAME, MAX_RANK, MAX_OFFSET = 1000, 16, 1 << 63
FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies: `dtype` by its safetensors name, `shape`, and its first byte in `file`."""

    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int

    @property
    def nbytes(self) -> int:
        """Size of the tensor's data in bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize

    def read(self) -> Array:
        """The tensor in its `shape` as a private memory map: pages are read when touched and freed with the array."""
        if not self.nbytes:
            return np.empty(self.shape, DTYPES[self.dtype])
        return np.memmap(self.file, DTYPES[self.dtype], mode="c", offset=self.offset, shape=self.shape)

    def row_blocks(self) -> Iterator[Array]:
        """The tensor by blocks of rows [n, …], so that a large one never lies in memory as a whole."""
        if not self.shape:
            yield self.read()
            return
        rows = max(1, BLOCK_BYTES * self.shape[0] // max(1, self.nbytes))
        for start in range(0, self.shape[0], rows):
            yield self.read()[start : start + rows]


@dataclass(frozen=True)
class Blocks:
    """A tensor that is made while it is written: `parts()` yields its bytes in order, each a C-contiguous array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    parts: Callable[[], Iterable[Array]]

    @property
    def nbytes(self) -> int:
        """Size of the whole tensor in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors of a safetensors file; raises `CheckpointError` where the file is damaged."""
    cure = "download it again"
    with os.fdopen(open_regular(path, CheckpointError, cure), "rb") as file, reading(path, CheckpointError):
        size = os.fstat(file.fileno()).st_size
        start = 8 + int.from_bytes(file.read(8), "little")
        if size < 8 or start > size or start > MAX_HEADER:
            raise CheckpointError(
                f"{path} is truncated or no safetensors file: its header ends at byte {start} "
                f"and the file at {size}; {cure}."
            )
        text = file.read(start - 8)
    try:
        entries = parse_json(text)
        if not isinstance(entries, dict):
            raise ValueError(f"it is a {type(entries).__name__}")
        _check_metadata(entries.pop("__metadata__", {}))
        tensors = {name: _tensor(path, start, name, entry) for name, entry in entries.items()}
    except ValueError as error:
        raise CheckpointError(f"{path} has a damaged safetensors header ({error}); {cure}.") from error
    _check_layout(path, start, size, tensors)
    return tensors


def _check_metadata(metadata: Any) -> None:
    """Texts by name, as the reference implementation demands."""
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its __metadata__ is no object of texts")


def _tensor(path: Path, start: int, name: str, entry: Any) -> TensorInfo:
    """One header entry, checked: a name to be shown, known dtype, whole shape, as many bytes as the shape needs.

    Raises:
        ValueError: a field is missing or of the wrong form.
        CheckpointError: an unknown type, or a size that is not the shape's.
    """
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME or "/" in name or "\\" in name:
        raise ValueError(f"{name!r:.80} is no name of a tensor")
    if not isinstance(entry, dict) or entry.keys() != FIELDS:
        raise ValueError(f"{name} has other fields than {', '.join(sorted(FIELDS))}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or len(shape) > MAX_RANK:
        raise ValueError(f"{name} has the shape {shape!r:.60}")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"{name} has the data_offsets {offsets!r:.60}")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise CheckpointError(f"{name} in {path} has the type {dtype!r:.30}, which is not one of {', '.join(DTYPES)}.")
    first, last = offsets
    info = TensorInfo(dtype, tuple(shape), path, start + first)
    if last - first != info.nbytes:
        raise CheckpointError(
            f"{name} in {path} has shape {list(shape)} of {info.dtype} but {last - first} bytes, "
            f"not {info.nbytes}; the file is damaged, download it again."
        )
    return info


def _are_sizes(values: Any) -> bool:
    """Whether these are whole numbers from 0 on that a file can have."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value < MAX_OFFSET for value in values)


def _check_layout(path: Path, start: int, size: int, tensors: Mapping[str, TensorInfo]) -> None:
    """Tensors must follow each other without gap or overlap up to the end of the file."""
    end = start
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].offset, item[1].nbytes)):
        if info.offset != end:
            raise CheckpointError(
                f"{name} in {path} starts at byte {info.offset}, not {end}, "
                "where the tensor before it ends; the file is damaged, download it again."
            )
        end += info.nbytes
    if end != size:
        word = "truncated" if size < end else "too long"
        raise CheckpointError(f"{path} is {word}: {size} bytes instead of {end}; download it again.")


def write_safetensors(path: Path, tensors: Mapping[str, Array | Blocks], note: str = "") -> None:
    """Write `tensors`, of any shapes, to `path`, which appears whole or not at all.

    Args:
        path: the file.
        tensors: by name, in the order in which they will lie there.
        note: what the error says beside the cure where the disk is full.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_file(path, note) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            for part in tensor.parts() if isinstance(tensor, Blocks) else (tensor,):
                file.write(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
