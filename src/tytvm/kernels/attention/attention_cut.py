"""How attention is cut into tasks: a key-value head × a group of query rows × a part of the context.

A *reader* is a query row of one query head; those of a key-value head are numbered head by head. A group's readers are
taken a tile of rows at a time, a part's cache rows a block at a time.
"""

from dataclasses import dataclass
from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.attention.kv_cache import KvCache
from tytvm.kernels.primitives.exponential import LOG2_E
from tytvm.kernels.primitives.vector import LANES, hold

_FEWEST_TILES = 4  # of a part: below, its own beginning and end cost more than it saves


@dataclass(frozen=True)
class Attention:
    """Shapes and settings of one attention.

    Attributes:
        cache: The layer's cache; query head h reads its head h // (H / KH).
        H: Query heads.
        S: Query rows.
        scale: Factor of the scores.
        window: Length of the sliding window, 0 for none.
        softcap: Scores become softcap · tanh(score / softcap), 0 for none.
        coarse: Whether products may round their factors to bfloat16.
    """

    cache: KvCache
    H: int
    S: int
    scale: float
    window: int = 0
    softcap: float = 0.0
    coarse: bool = False

    @property
    def readers(self) -> int:
        """Query rows that read one key-value head."""
        return self.H // self.cache.KH * self.S

    @property
    def factor(self) -> float:
        """What queries are multiplied by: 2^score is the weight, or tanh(score / softcap) = 1 - 2 / (2^score + 1)."""
        return self.scale * LOG2_E * (2 / self.softcap if self.softcap else 1)


@dataclass(frozen=True)
class Cut:
    """The tasks of an attention.

    Attributes:
        shape: What is cut.
        rows: Readers of a tile.
        tiles: Tiles of a group; the last may have rows beyond the readers, which repeat the last one.
        groups: Groups of readers of a key-value head.
        parts: Parts of the context.
        keys: Cache rows of a block, a multiple of 32.
        tiled: Whether products are AMX's (attention_amx.py).
    """

    shape: Attention
    rows: int
    tiles: int
    groups: int
    parts: int
    keys: int
    tiled: bool = False

    @property
    def tasks(self) -> int:
        """What workers share out."""
        return self.shape.cache.KH * self.groups * self.parts

    @property
    def sums(self) -> tuple[int, ...]:
        """Shape of the weighted sums of values."""
        return (self.tasks, self.tiles * self.rows, self.shape.cache.values[2])

    @property
    def peaks(self) -> tuple[int, ...]:
        """Shape of the scores that weights are relative to."""
        return self.sums[:2]

    @property
    def totals(self) -> tuple[int, ...]:
        """Shape of the totals of weights, sixteen for each row."""
        return (*self.sums[:2], LANES)


class Task:
    """One task at work: whose rows, and which cache rows, from `begin` up to but not including `end`."""

    def __init__(self, cut: Cut, number: Any, position: Any) -> None:
        self.cut, self.number, shape = cut, number, cut.shape
        self.head = hold(number // (cut.groups * cut.parts), "int32", 1)
        self.group = hold(number // cut.parts % cut.groups, "int32", 1)
        self.before = hold(T.cast(position[0], "int32"), "int32", 1)
        part = number % cut.parts
        last = T.min(self.before + shape.S, shape.cache.tiles * LANES) - 1
        first = T.max(self.before - (shape.window - 1), 0) if shape.window else T.int32(0)
        start = hold(first // LANES, "int32", 1)
        count = hold(last // LANES + 1 - start, "int32", 1)
        share = hold(T.max((count + cut.parts - 1) // cut.parts, _FEWEST_TILES), "int32", 1)
        self.begin = hold((start + part * share) * LANES, "int32", 1)
        self.end = hold(T.min((start + (part + 1) * share) * LANES, last + 1), "int32", 1)

    def reader(self, tile: Any, row: Any) -> Any:
        """The reader that is a row of a tile."""
        number = (self.group * self.cut.tiles + tile) * self.cut.rows + row
        return T.min(number, self.cut.shape.readers - 1)

    def query(self, tile: Any, row: Any) -> tuple[Any, Any]:
        """The query head and the query row of a row of a tile."""
        shape = self.cut.shape
        reader = hold(self.reader(tile, row), "int32", 1)
        return self.head * (shape.H // shape.cache.KH) + reader // shape.S, reader % shape.S

    def bounds(self, tile: Any) -> tuple[Any, Any]:
        """The places in the cache of the first and the last query row of a tile, or wider."""
        size = self.cut.shape.S
        first, last = self.reader(tile, 0), self.reader(tile, self.cut.rows - 1)
        within = hold(T.cast(first // size == last // size, "int32"), "int32", 1)
        low = T.if_then_else(within == 1, first % size, 0)
        high = T.if_then_else(within == 1, last % size, size - 1)
        return hold(self.before + low, "int32", 1), hold(self.before + high, "int32", 1)
