"""A KV cache as bytes: a .npz file (no pickle) with what was fed, the package's fingerprint and each layer's rows.

A SHA-256 over all of it lies beside them. Whoever reads one checks all before anything is changed.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.runtime.cache.npz_file import NpzFile
from tyllm.runtime.execute.engine import Engine
from tyllm_base.errors import GenerationError

Array = npt.NDArray[Any]
_TILED = 4  # dimensions of keys
_TOKENS, _PACKAGE, _DIGEST = "tokens", "package", "sha256"
_HASH = np.dtype("U64")
_HEADERS = 400  # bytes, at most, of an array's name and header and of its entry in the directory


def write_kv(engine: Engine, slot: int, fed: Mapping[str, Array]) -> bytes:
    """A .npz file of `fed` (`tokens` int64 [n] and more) and the first n rows of every layer on every die."""
    arrays = {name: np.ascontiguousarray(array) for name, array in fed.items()}
    arrays[_PACKAGE] = np.asarray(engine.package.fingerprint)
    for name, view in _named_views(engine, slot):
        arrays[name] = np.ascontiguousarray(_rows(view, len(fed[_TOKENS])))
    arrays[_DIGEST] = np.asarray(_digest(arrays))
    file = io.BytesIO()
    np.savez(file, **dict[str, Any](arrays))
    return file.getvalue()


def read_kv(engine: Engine, saved: bytes, fed: Mapping[str, Array]) -> dict[str, Array]:
    """What `write_kv` gave, whole and undamaged.

    Args:
        engine: of the package that saved it.
        saved: the bytes.
        fed: arrays of the names and types that are expected; where a shape has 0, it was the number of tokens, and of
            texts that of images.

    Returns:
        The arrays of `fed` in the shapes they were saved in, and for each layer the rows as the cache has them.

    Raises:
        GenerationError: another package saved it, or it is damaged or no saved conversation.
    """
    if not isinstance(saved, bytes | bytearray | memoryview):
        raise GenerationError(f"A saved conversation is bytes, not {type(saved).__name__}; give what save() returned.")
    if len(saved) > (most := max_kv_bytes(engine, fed)):
        raise GenerationError(f"{len(saved):,} bytes are no conversation of this package, which has at most {most:,}.")
    try:
        return _checked(engine, bytes(saved), fed)
    except ValueError as error:
        raise GenerationError(f"The saved conversation is damaged ({error}); save it again.") from error


def max_kv_bytes(engine: Engine, fed: Mapping[str, Array]) -> int:
    """The most bytes that a saved conversation of this package has; `fed` as for `read_kv`."""
    limit = engine.package.buffers.max_kv_cache_size
    rows = [_rows(view, limit).nbytes for _, view in _named_views(engine, 0)]
    each = [array.itemsize * math.prod(size or limit for size in array.shape) for array in fed.values()]
    return sum(rows) + sum(each) + (len(rows) + len(each) + 3) * _HEADERS


def copy_kv(engine: Engine, slot: int, arrays: Mapping[str, Array]) -> None:
    """Put the rows that `read_kv` gave, in the shapes it checked, into a slot's cache."""
    for name, view in _named_views(engine, slot):
        view[:, : arrays[name].shape[1]] = arrays[name]


def _checked(engine: Engine, saved: bytes, fed: Mapping[str, Array]) -> dict[str, Array]:
    """As `read_kv`; raises `ValueError` where something is damaged."""
    views = dict(_named_views(engine, 0))
    names = [_PACKAGE, _DIGEST, *fed, *views]
    file = NpzFile(saved, len(names))
    package = file.read(_PACKAGE, _HASH, ())
    if str(package) != engine.package.fingerprint:
        raise GenerationError("The saved conversation belongs to another package; restore it where it was saved.")
    file.check_names(names)
    tokens = file.read(_TOKENS, fed[_TOKENS].dtype, (None,))
    if len(tokens) > (limit := engine.package.buffers.max_kv_cache_size):
        raise ValueError(f"{len(tokens)} tokens, of {limit} at most")
    arrays = {_PACKAGE: package, _TOKENS: tokens}
    for name, like in fed.items():
        length = None if like.dtype.kind == "U" else len(tokens)
        arrays[name] = file.read(name, like.dtype, tuple(length if size == 0 else size for size in like.shape))
    for name, view in views.items():
        like = _rows(view, 0)
        arrays[name] = file.read(name, like.dtype, (like.shape[0], len(tokens), *like.shape[2:]))
        if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has a value that is no number")
    if str(file.read(_DIGEST, _HASH, ())) != _digest(arrays):
        raise ValueError("its content does not have the SHA-256 that it should have")
    return {name: _tiles(views[name], rows) if name in views else rows for name, rows in arrays.items()}


def _digest(arrays: Mapping[str, Array]) -> str:
    """SHA-256 of all arrays with their names, types and shapes."""
    content = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        content.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        content.update(array.reshape(-1).view(np.uint8).data)
    return content.hexdigest()


def _rows(view: Array, count: int) -> Array:
    """The first rows [heads, count, …] of a view.

    Values and scales are [heads, capacity, …]; keys are [heads, capacity / 16, width, 16]: sixteen rows transposed.
    """
    if view.ndim < _TILED:
        return view[:, :count]
    heads, _, width, size = view.shape
    return view[:, : -(-count // size)].swapaxes(2, 3).reshape(heads, -1, width)[:, :count]


def _tiles(view: Array, rows: Array) -> Array:
    """Rows [heads, count, …] as a view has them: those of keys become tiles [heads, tiles, width, 16].

    Zeros fill the last tile up; they are not read before they are overwritten.
    """
    if view.ndim < _TILED:
        return rows
    heads, _, width, size = view.shape
    tiles = -(-rows.shape[1] // size)
    filled = np.zeros((heads, tiles * size, width), rows.dtype)
    filled[:, : rows.shape[1]] = rows
    return filled.reshape(heads, tiles, size, width).swapaxes(2, 3)


def _named_views(engine: Engine, slot: int) -> Iterator[tuple[str, Array]]:
    for die in range(engine.dies):
        for layer, views in enumerate(engine.kv_views(die, slot)):
            for name, view in views.items():
                yield f"die{die}.layer{layer}.{name}", view
