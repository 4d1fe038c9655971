"""How attention is tiled into tasks: a key-value head × a group of query rows × a split of the context.

A *query row* is the query of one head and one token; those that read one key-value head are numbered head by head. A
group's query rows are taken a tile at a time, a split's cache rows a block at a time. Splitting the context is
Flash-Decoding (Dao et al. 2023). Where each token is of a sequence of its own, so is each task, and tasks of one head
follow each other: neighbors of one sequence find its keys and values in the processor's caches.
"""

from dataclasses import dataclass

from tvm.script import tirx as T

from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.kernels.primitives.exponential import LOG2_E
from tytvm.kernels.primitives.expressions import Buffer, Scalar
from tytvm.kernels.primitives.vector import LANES, ceildiv, materialize

_FEWEST_TILES = 4  # of a split: below, its own beginning and end cost more than it saves


@dataclass(frozen=True)
class Attention:
    """Shapes and settings of one attention.

    Attributes:
        cache: The layer's cache; query head h reads its head h // (H / KH).
        H: Query heads.
        S: Tokens: neighbors in one sequence, or each of a sequence of its own (`KvCache.slot_bytes`).
        scale: Factor of the scores.
        window: Length of the sliding window, 0 for none.
        softcap: Scores become softcap · tanh(score / softcap), 0 for none.
        coarse: Whether products may round their factors to bfloat16.
        chunk: Tokens of a chunk, beyond whose beginning no token of it sees; 0 for none.
        sinks: Whether each query head has a score that adds to the softmax's denominator alone.
        slopes: Whether each query head has a slope, by which scores fall with the distance.
    """

    cache: KvCache
    H: int
    S: int
    scale: float
    window: int = 0
    softcap: float = 0.0
    coarse: bool = False
    chunk: int = 0
    sinks: bool = False
    slopes: bool = False

    @property
    def sees_all(self) -> bool:
        """Whether a query sees the cache from its first row on."""
        return not self.window and not self.chunk

    def first_seen(self, place: Scalar) -> Scalar:
        """The first cache row that the query at a place sees, or one below 0."""
        if self.chunk:
            return place - place % self.chunk
        return place - (self.window - 1) if self.window else T.int32(0)

    @property
    def sequences(self) -> int:
        """Sequences that the tokens are of."""
        return self.S if self.cache.slot_bytes else 1

    @property
    def tokens(self) -> int:
        """Tokens of a sequence."""
        return self.S // self.sequences

    @property
    def query_rows(self) -> int:
        """Query rows that read one key-value head of a sequence."""
        return self.H // self.cache.KH * self.tokens

    @property
    def factor(self) -> float:
        """Factor of the queries, so that 2^score is the weight, or tanh(score / softcap) = 1 - 2 / (2^score + 1)."""
        return self.scale * LOG2_E * (2 / self.softcap if self.softcap else 1)


@dataclass(frozen=True)
class AttentionTiling:
    """The tasks of an attention, and the shapes of what they keep.

    Attributes:
        shape: What is tiling.
        rows: Query rows of a tile.
        tiles: Tiles of a group; the last may have rows beyond the query rows, which repeat the last one.
        groups: Groups of query rows of a key-value head.
        splits: Splits of the context.
        keys: Cache rows of a block, a multiple of 32.
        tiled: Whether products are AMX's (cached_products_amx.py).
    """

    shape: Attention
    rows: int
    tiles: int
    groups: int
    splits: int
    keys: int
    tiled: bool = False

    @property
    def tasks(self) -> int:
        """Number of tasks, which workers share out."""
        return self.shape.cache.KH * self.groups * self.splits * self.shape.sequences

    @property
    def sums(self) -> tuple[int, ...]:
        """Shape of the weighted sums of values."""
        return (self.tasks, self.tiles * self.rows, self.shape.cache.values[2])

    @property
    def row_max(self) -> tuple[int, ...]:
        """Shape of the row maxima that weights are relative to."""
        return self.sums[:2]

    @property
    def denominators(self) -> tuple[int, ...]:
        """Shape of the denominators of weights, sixteen for each row."""
        return (*self.sums[:2], LANES)


class AttentionTask:
    """One task at work: whose rows, in how many tiles; which cache rows, from `begin` up to but not including `end`."""

    def __init__(self, tiling: AttentionTiling, number: Scalar, position: Buffer) -> None:
        self.tiling, self.number, shape = tiling, number, tiling.shape
        self.sequence = materialize(number % shape.sequences, "int32", 1)
        part = materialize(number // shape.sequences, "int32", 1)
        self.head = materialize(part // (tiling.groups * tiling.splits), "int32", 1)
        self.group = materialize(part // tiling.splits % tiling.groups, "int32", 1)
        self.before = materialize(T.cast(position[self.sequence], "int32"), "int32", 1)
        self.tiles: Scalar = tiling.tiles
        self._take_split(part % tiling.splits, shape.tokens)

    def _take_split(self, split: Scalar, tokens: Scalar) -> None:
        """The cache rows of a split of what so many tokens see."""
        tiling, shape = self.tiling, self.tiling.shape
        last = T.min(self.before + tokens, shape.cache.tiles * LANES) - 1
        first = T.int32(0) if shape.sees_all else T.max(shape.first_seen(self.before), 0)
        start = materialize(first // LANES, "int32", 1)
        count = materialize(last // LANES + 1 - start, "int32", 1)
        share = materialize(T.max((count + tiling.splits - 1) // tiling.splits, _FEWEST_TILES), "int32", 1)
        self.begin = materialize((start + split * share) * LANES, "int32", 1)
        self.end = materialize(T.min((start + (split + 1) * share) * LANES, last + 1), "int32", 1)

    def query_row(self, tile: Scalar, row: Scalar) -> Scalar:
        """The number of the query row that is a row of a tile."""
        number = (self.group * self.tiling.tiles + tile) * self.tiling.rows + row
        return T.min(number, self.tiling.shape.query_rows - 1)

    def query(self, tile: Scalar, row: Scalar) -> tuple[Scalar, Scalar]:
        """The query head and the token, of all of the step, of a row of a tile."""
        shape = self.tiling.shape
        query_row = materialize(self.query_row(tile, row), "int32", 1)
        head = self.head * (shape.H // shape.cache.KH) + query_row // shape.tokens
        return head, self.sequence * shape.tokens + query_row % shape.tokens

    def place(self, tile: Scalar, row: Scalar) -> Scalar:
        """The place in the cache of a row of a tile."""
        return self.before + self.query_row(tile, row) % self.tiling.shape.tokens

    def bounds(self, tile: Scalar) -> tuple[Scalar, Scalar]:
        """The places in the cache of the first and the last query row of a tile, or wider."""
        size = self.tiling.shape.tokens
        first, last = self.query_row(tile, 0), self.query_row(tile, self.tiling.rows - 1)
        within = materialize(T.cast(first // size == last // size, "int32"), "int32", 1)
        low = T.if_then_else(within == 1, first % size, 0)
        high = T.if_then_else(within == 1, last % size, size - 1)
        return materialize(self.before + low, "int32", 1), materialize(self.before + high, "int32", 1)


class NeighborsTask(AttentionTask):
    """The task of some rows of a batch that are neighbors in one sequence: a pass over the cache serves them all.

    Query rows are numbered token by token, so that few tokens take few tiles.

    Attributes:
        alone: The number of the task that the first of them has alone.
        first: The row of the step that is the first of them.
        count: Tokens, at most those of the tiling's shape.
    """

    def __init__(self, tiling: AttentionTiling, alone: AttentionTask, count: Scalar) -> None:
        """Take the place of the task that the first of the rows has `alone`; `tiling` keeps one task."""
        self.tiling, self.number, self.head, self.before = tiling, T.int32(0), alone.head, alone.before
        self.alone, self.first, self.count = alone.number, alone.sequence, count
        self.heads = tiling.shape.H // tiling.shape.cache.KH
        self.tiles = materialize(ceildiv(count * self.heads, tiling.rows), "int32", 1)
        part = materialize(alone.number // alone.tiling.shape.sequences, "int32", 1)
        self._take_split(part % alone.tiling.splits, count)

    def query_row(self, tile: Scalar, row: Scalar) -> Scalar:
        """The number of the query row that is a row of a tile."""
        return T.min(tile * self.tiling.rows + row, self.count * self.heads - 1)

    def query(self, tile: Scalar, row: Scalar) -> tuple[Scalar, Scalar]:
        """The query head and the token, of all of the step, of a row of a tile."""
        query_row = materialize(self.query_row(tile, row), "int32", 1)
        return self.head * self.heads + query_row % self.heads, self.first + query_row // self.heads

    def place(self, tile: Scalar, row: Scalar) -> Scalar:
        """The place in the cache of a row of a tile."""
        return self.before + self.query_row(tile, row) // self.heads

    def bounds(self, tile: Scalar) -> tuple[Scalar, Scalar]:
        """The places in the cache of the first and the last query row of a tile."""
        low, high = self.place(tile, 0), self.place(tile, self.tiling.rows - 1)
        return materialize(low, "int32", 1), materialize(high, "int32", 1)
