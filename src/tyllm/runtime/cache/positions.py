"""Tells each step where its tokens stand: as numbers, or as rows of a table of rotary cosines and sines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tyllm.runtime.cache.rope_table import RopeTable
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.prompt.rope_index import Places, count_on

Array = npt.NDArray[Any]


class Positions(Protocol):
    """The positions of a conversation."""

    def place(self, start: int, prompt: Prompt) -> None:
        """Say where a prompt's tokens stand, which follow `start` others."""

    def write(self, io: Mapping[str, Array], start: int, seq_len: int) -> None:
        """Write the input of a step of `seq_len` tokens from `start` on."""

    def common(self, prompt: Prompt) -> int:
        """How many tokens of a prompt, from its first, stand where the conversation has them."""

    def arrays(self, count: int) -> dict[str, Array]:
        """The positions of the first `count` tokens, to be saved."""

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Bring back what `arrays` gave."""


class CountedPositions:
    """0, 1, 2, …: the programs compute what they need of them."""

    def place(self, start: int, prompt: Prompt) -> None:
        """They are where they are counted."""

    def write(self, io: Mapping[str, Array], start: int, seq_len: int) -> None:
        """Count on from `start`."""
        io["positions"][0] = np.arange(start, start + seq_len)

    def common(self, prompt: Prompt) -> int:
        """All of them."""
        return len(prompt)

    def arrays(self, count: int) -> dict[str, Array]:
        """Nothing needs to be saved."""
        return {}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Nothing was saved."""


class RotaryPositions:
    """M-RoPE: three positions for each row of the cache, and the table of their cosines and sines."""

    def __init__(self, rope: RopeTable) -> None:
        self._rope, self._table = rope, rope.plain
        self._places = count_on(np.empty((3, 0), np.int32), len(rope.plain))

    def place(self, start: int, prompt: Prompt) -> None:
        """Where the prompt says, or after what is there; the rows behind count on, so that decoding needs no table."""
        places = self._places[:, :start]
        wanted = count_on(places, len(prompt)) if prompt.places is None else prompt.places
        if not np.array_equal(wanted, self._places[:, start : start + len(prompt)]):
            self._set(np.concatenate([places, wanted], axis=1))

    def write(self, io: Mapping[str, Array], start: int, seq_len: int) -> None:
        """Rows of the table; zeros behind its end, where only padding is."""
        rows = self._table[start : start + seq_len]
        io["rope_param"][: len(rows)] = rows
        io["rope_param"][len(rows) :] = 0

    def common(self, prompt: Prompt) -> int:
        """Those before the first that stands elsewhere; a prompt without places counts from 0."""
        wanted = prompt.places
        if wanted is None:
            wanted = count_on(np.empty((3, 0), np.int32), len(prompt))
        count = min(wanted.shape[1], self._places.shape[1])
        other = (wanted[:, :count] != self._places[:, :count]).any(axis=0)
        return int(other.argmax()) if other.any() else count

    def arrays(self, count: int) -> dict[str, Array]:
        """`places` int32 [3, count]."""
        return {"places": self._places[:, :count]}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Bring the places back, and make their table."""
        self._set(arrays["places"])

    def _set(self, places: Places) -> None:
        """Count on behind these to the end of the cache."""
        rest = len(self._rope.plain) - places.shape[1]
        self._places = np.concatenate([places, count_on(places, rest)], axis=1)
        self._table = self._rope.rows(self._places)
