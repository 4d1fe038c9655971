"""A KV cache as bytes: a .npz file (no pickle) with the tokens, the package's fingerprint and each layer's rows."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.errors import GenerationError
from tyllm.runtime.engine import Engine

Array = npt.NDArray[Any]


def write_kv(engine: Engine, slot: int, tokens: list[int]) -> bytes:
    """The first len(tokens) rows of every layer on every die."""
    arrays: dict[str, Any] = {name: view[:, : len(tokens)] for name, view in _named_views(engine, slot)}
    file = io.BytesIO()
    np.savez(file, tokens=np.asarray(tokens, np.int64), package=np.asarray(engine.package.fingerprint), **arrays)
    return file.getvalue()


def read_kv(engine: Engine, saved: bytes) -> tuple[list[int], dict[str, Array]]:
    """The tokens and the rows by name; raises `GenerationError` for what is damaged or of another package."""
    try:
        with np.load(io.BytesIO(saved), allow_pickle=False) as file:
            arrays: dict[str, Array] = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise GenerationError(f"The saved conversation is damaged ({error}); save it again.") from error
    if str(arrays.pop("package", "")) != engine.package.fingerprint:
        raise GenerationError("The saved conversation belongs to another package; restore it where it was saved.")
    tokens = [int(token) for token in arrays.pop("tokens")]
    for name, view in _named_views(engine, 0):
        if name not in arrays or arrays[name].shape != view[:, : len(tokens)].shape or arrays[name].dtype != view.dtype:
            raise GenerationError(f"The saved conversation is damaged ({name} does not fit); save it again.")
    return tokens, arrays


def copy_kv(engine: Engine, slot: int, arrays: dict[str, Array]) -> None:
    """Put the rows that `read_kv` gave into a slot's cache."""
    for name, view in _named_views(engine, slot):
        view[:, : arrays[name].shape[1]] = arrays[name]


def _named_views(engine: Engine, slot: int) -> Iterator[tuple[str, Array]]:
    for die in range(engine.dies):
        for layer, (keys, values) in enumerate(engine.kv(die, slot)):
            yield f"die{die}.layer{layer}.k", keys
            yield f"die{die}.layer{layer}.v", values
