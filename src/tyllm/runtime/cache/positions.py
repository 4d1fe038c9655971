"""Tells each step where its tokens stand: as numbers, or as rows of a table of rotary cosines and sines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tyllm.runtime.cache.rope_table import RopeTable
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.prompt.rope_index import RopePositions, count_on
from tyllm_base.errors import GenerationError

Array = npt.NDArray[Any]


MAX_POSITION = 1 << 24
"""Float32, in which angles are computed, tells no greater positions apart."""


class Positions(Protocol):
    """The positions of the tokens in a slot."""

    def assign(self, start: int, prompt: Prompt) -> None:
        """Say where a prompt's tokens will stand, which follow `start` others."""

    def write_inputs(self, io: Mapping[str, Array], rows: range, start: int) -> None:
        """Write rows of a step's input [S, …] or [1, S], padding among them, for the slot's tokens from `start` on."""

    def shared_length(self, prompt: Prompt) -> int:
        """The number of tokens of a prompt, from its first, that stand where the slot has them."""

    def to_arrays(self, count: int) -> dict[str, Array]:
        """The positions of the first `count` tokens, to be saved: arrays [3, count] by name."""

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Bring back the arrays [3, count] that `to_arrays` gave; what raises `ValueError` changes nothing."""


class CountedPositions:
    """0, 1, 2, …: the programs compute what they need of them."""

    def assign(self, start: int, prompt: Prompt) -> None:
        """They are where they are counted."""

    def write_inputs(self, io: Mapping[str, Array], rows: range, start: int) -> None:
        """Count on from `start`: the input `positions` int64 [1, S]."""
        io["positions"][0, rows.start : rows.stop] = np.arange(start, start + len(rows))

    def shared_length(self, prompt: Prompt) -> int:
        """All of them."""
        return len(prompt)

    def to_arrays(self, count: int) -> dict[str, Array]:
        """No arrays, of any shape: nothing needs to be saved."""
        return {}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Do nothing: no array of any shape was saved."""


class MropePositions:
    """M-RoPE: three positions for each row of the cache, int32 [3, N], and the table of their cosines and sines."""

    def __init__(self, rope: RopeTable) -> None:
        self._rope, self._table = rope, rope.plain
        self._positions = count_on(np.empty((3, 0), np.int32), len(rope.plain))

    def assign(self, start: int, prompt: Prompt) -> None:
        """As the prompt says, or counted on after what is there; the rows behind count on: decoding needs no table.

        Raises:
            GenerationError: a position is too great.
            StepError: compiled code failed.
        """
        before = self._positions[:, :start]
        expected = count_on(before, len(prompt)) if prompt.rope_positions is None else prompt.rope_positions
        if not np.array_equal(expected, self._positions[:, start : start + len(prompt)]):
            if expected.max(initial=0) > MAX_POSITION:
                raise GenerationError(
                    f"A token stands at position {expected.max():,} and {MAX_POSITION:,} is the last; "
                    "give shorter videos, or a higher rate of frames."
                )
            self._set(np.concatenate([before, expected], axis=1))

    def write_inputs(self, io: Mapping[str, Array], rows: range, start: int) -> None:
        """The input `rope_param` float32 [S, 2, D/2]: rows of the table, zeros where only padding is."""
        known = self._table[start : start + len(rows)]
        io["rope_param"][rows.start : rows.start + len(known)] = known
        io["rope_param"][rows.start + len(known) : rows.stop] = 0

    def shared_length(self, prompt: Prompt) -> int:
        """Those before the first that stands elsewhere; a prompt without positions counts from 0."""
        expected = prompt.rope_positions
        if expected is None:
            expected = count_on(np.empty((3, 0), np.int32), len(prompt))
        count = min(expected.shape[1], self._positions.shape[1])
        other = (expected[:, :count] != self._positions[:, :count]).any(axis=0)
        return int(other.argmax()) if other.any() else count

    def to_arrays(self, count: int) -> dict[str, Array]:
        """`places` int32 [3, count]."""
        return {"places": self._positions[:, :count]}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Bring the positions int32 [3, count] back, and make their table.

        Raises:
            ValueError: one is below 0 or beyond what a conversation reaches; with the middle of a sentence.
            StepError: compiled code failed.
        """
        places = arrays["places"]
        most = MAX_POSITION + len(self._rope.plain)  # text that follows counts on
        if places.size and not 0 <= places.min() <= places.max() <= most:
            raise ValueError(f"a position is outside 0 to {most}")
        self._set(places)

    def _set(self, positions: RopePositions) -> None:
        """Count on behind these to the end of the cache; nothing is changed where the table cannot be made."""
        rest = len(self._rope.plain) - positions.shape[1]
        positions = np.concatenate([positions, count_on(positions, rest)], axis=1)
        self._table = self._rope.table_of(positions)
        self._positions = positions
