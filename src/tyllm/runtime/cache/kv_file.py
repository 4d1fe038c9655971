"""A KV cache as bytes: a .npz file (no pickle) with what was fed, the package's fingerprint and each layer's rows."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.runtime.execute.engine import Engine
from tyllm_base.errors import GenerationError

Array = npt.NDArray[Any]
_TILED = 4  # dimensions of keys


def write_kv(engine: Engine, slot: int, fed: Mapping[str, Array]) -> bytes:
    """A .npz file of `fed` (`tokens` int64 [n] and more) and the first n rows of every layer on every die."""
    arrays: dict[str, Any] = {name: _rows(view, len(fed["tokens"])) for name, view in _named_views(engine, slot)}
    file = io.BytesIO()
    np.savez(file, package=np.asarray(engine.package.fingerprint), **arrays, **dict[str, Any](fed))
    return file.getvalue()


def read_kv(engine: Engine, saved: bytes) -> dict[str, Array]:
    """The arrays of `write_kv` in their shapes: `fed`, and rows by name; raises `GenerationError` for foreign ones."""
    try:
        with np.load(io.BytesIO(saved), allow_pickle=False) as file:
            arrays: dict[str, Array] = dict(file)
    except (OSError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise GenerationError(f"The saved conversation is damaged ({error}); save it again.") from error
    if str(arrays.pop("package", "")) != engine.package.fingerprint:
        raise GenerationError("The saved conversation belongs to another package; restore it where it was saved.")
    count = len(arrays["tokens"])
    for name, view in _named_views(engine, 0):
        if name not in arrays or arrays[name].shape != _rows(view, count).shape or arrays[name].dtype != view.dtype:
            raise GenerationError(f"The saved conversation is damaged ({name} does not fit); save it again.")
    return arrays


def copy_kv(engine: Engine, slot: int, arrays: Mapping[str, Array]) -> None:
    """Put the rows that `read_kv` gave, in the shapes it checked, into a slot's cache."""
    for name, view in _named_views(engine, slot):
        rows = arrays[name]
        if view.ndim < _TILED:
            view[:, : rows.shape[1]] = rows
        else:
            _put_tiles(view, rows)


def _rows(view: Array, count: int) -> Array:
    """The first rows [heads, count, …] of a view.

    Values and scales are [heads, capacity, …]; keys are [heads, capacity / 16, width, 16]: sixteen rows transposed.
    """
    if view.ndim < _TILED:
        return view[:, :count]
    heads, _, width, size = view.shape
    return view[:, : -(-count // size)].swapaxes(2, 3).reshape(heads, -1, width)[:, :count]


def _put_tiles(view: Array, rows: Array) -> None:
    """Rows [heads, count, width] into tiles of keys [heads, tiles, width, 16].

    Zeros fill the last tile up; they are not read before they are overwritten.
    """
    heads, _, width, size = view.shape
    tiles = -(-rows.shape[1] // size)
    filled = np.zeros((heads, tiles * size, width), rows.dtype)
    filled[:, : rows.shape[1]] = rows
    view[:, :tiles] = filled.reshape(heads, tiles, size, width).swapaxes(2, 3)


def _named_views(engine: Engine, slot: int) -> Iterator[tuple[str, Array]]:
    for die in range(engine.dies):
        for layer, views in enumerate(engine.kv_views(die, slot)):
            for name, view in views.items():
                yield f"die{die}.layer{layer}.{name}", view
