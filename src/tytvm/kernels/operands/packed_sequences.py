"""How attention of packed sequences is laid out: each sequence's tokens at positions of its own, in whole tiles.

A sequence begins at a multiple of 32 positions; those that no token is at hold zeros. A task is a query head × 32
positions of queries; it reads the keys and values of its sequence, which lie one behind the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.vector import LANES, ceildiv

STEP = amx.DEPTH
"""Positions of a task's queries, and those of keys that are taken together."""
Tensor = tuple[tuple[int, ...], str]


@dataclass(frozen=True)
class PackedSequences:
    """Shapes of an attention of packed sequences.

    Attributes:
        lengths: Tokens of each sequence; they follow one another.
        H: Query heads.
        KH: Key-value heads; query head h reads number h // (H / KH).
        D: Inputs of a query and a key.
        Dv: Inputs of a value.
        scale: Factor of the scores.
        tiled: Whether products are AMX's, on bfloat16.
    """

    lengths: tuple[int, ...]
    H: int
    KH: int
    D: int
    Dv: int
    scale: float
    tiled: bool

    @property
    def tokens(self) -> int:
        """All sequences' tokens."""
        return sum(self.lengths)

    @property
    def positions(self) -> int:
        """Where tokens may lie."""
        return sum(map(_whole, self.lengths))

    @property
    def depth(self) -> int:
        """Inputs of a packed query or key."""
        return ceildiv(self.D, amx.DEPTH) * amx.DEPTH if self.tiled else self.D

    @property
    def width(self) -> int:
        """Inputs of a packed value."""
        return ceildiv(self.Dv, LANES) * LANES

    @property
    def work(self) -> int:
        """Pairs of a query and a key, of one head."""
        return sum(length * length for length in self.lengths)

    def packed(self) -> tuple[Tensor, Tensor, Tensor]:
        """Shapes and types of packed queries, keys and values: left tiles, right tiles, right tiles; or float32.

        Queries are [H, position, input], keys [KH, position / 16, input, position], values [KH, position, input].
        """
        P, tiles, steps = self.positions, self.positions // LANES, self.depth // amx.DEPTH
        if self.tiled:
            return (
                ((self.H, tiles, steps, amx.SIDE, amx.DEPTH), "uint16"),
                ((self.KH, tiles, self.depth // 2, LANES), "int32"),
                ((self.KH, P // STEP, self.width // LANES, amx.SIDE, 2 * LANES), "uint16"),
            )
        return (
            ((self.H, P, self.D), "float32"),
            ((self.KH, tiles, self.D, LANES), "float32"),
            ((self.KH, P, self.width), "float32"),
        )

    def token_rows(self) -> npt.NDArray[np.int32]:
        """The token at each position, int32 [positions], -1 for none."""
        token, rows = 0, []
        for length in self.lengths:
            rows += [*range(token, token + length), *[-1] * (_whole(length) - length)]
            token += length
        return np.array(rows, np.int32)

    def tasks(self) -> npt.NDArray[np.int32]:
        """For each 32 positions of queries, int32 [tasks, 3]: the first of them, its first key, number of keys."""
        return np.array(list(self._tasks()), np.int32)

    def _tasks(self) -> Iterator[tuple[int, int, int]]:
        first = 0
        for length in self.lengths:
            yield from ((first + step, first, length) for step in range(0, length, STEP))
            first += _whole(length)


def _whole(length: int) -> int:
    return ceildiv(length, STEP) * STEP
