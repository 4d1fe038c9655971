"""Copies the first tokens of a slot, with their rows of the KV cache, to another slot."""

from __future__ import annotations

from tyllm.runtime.cache.kv_file import Array
from tyllm.runtime.execute.engine import Engine

_TILED = 4  # dimensions of keys: [heads, capacity / 16, width, 16]


def copy_prefix(engine: Engine, source: int, target: int, length: int) -> None:
    """Copy the rows of the first `length` tokens of slot `source` to slot `target`, on every die and layer.

    Keys go by whole tiles of 16 tokens; what that copies behind `length` is overwritten before it is read.
    """
    with engine.lock:
        for die in range(engine.dies):
            for theirs, ours in zip(engine.kv_views(die, source), engine.kv_views(die, target), strict=True):
                for name, view in theirs.items():
                    count = _rows(view, length)
                    ours[name][:, :count] = view[:, :count]


def _rows(view: Array, length: int) -> int:
    """How many entries of a view's second axis hold `length` tokens."""
    return length if view.ndim < _TILED else -(-length // view.shape[3])
