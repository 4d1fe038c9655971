"""The product of many rows of bfloat16 by float16 weights on AMX tiles, two by two tiles at a time.

Workers share out chunks of the output channels. All of a chunk's weights become right tiles in scratch memory, once,
and stay in the second cache while all rows pass over them, two row tiles (a panel) at a time; the sums of a panel and a
pair of blocks stay in tiles from the first input to the last. Meanwhile the next panel comes to the second cache.
What bounds it is the caches: docs/log/linear_kernels.md has what was tried.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tvm.script import tirx as T

from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.amx import DEPTH, LEFT, RIGHT, SIDE, SUMS, TILE
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.scratch import BYTES, scratch
from tytvm.kernels.primitives.vector import LANES, ceildiv, materialize, of, prefetch, span, zeros

PANEL = 2 * SIDE
"""Rows that pass over the weights together."""
_TILE_BYTES = 2 * TILE
_SUMS_BYTES = 4 * SIDE * SIDE * 4
_FEW = 2  # pairs of blocks of a chunk where the second cache holds all rows anyway
_RESIDENT = 1 << 20  # bytes of rows for which it does
_BUSY = 4  # pairs of a chunk from which on the next panel comes while they are worked on: with fewer it is in the way
_PREFETCH_BYTES = 4 << 10  # bytes between a weight's conversion and the prefetch beside it


@dataclass(frozen=True)
class PanelSums:
    """Where the sums of a panel and a pair of blocks belong.

    Attributes:
        tile: The first of the panel's row tiles.
        pair: The pair of blocks.
        rows: Rows of each row tile.
    """

    tile: Scalar
    pair: Scalar
    rows: tuple[int, ...]

    def numbers(self, blocks: int = 2) -> dict[tuple[int, int], int]:
        """(row tile, block) of the panel and the pair → the tile register of its sums."""
        return {(a, b): SUMS + 2 * a + b for a in range(len(self.rows)) for b in range(blocks)}


@dataclass(frozen=True)
class Bfloat16TileProduct:
    """How the product of [R, K] by so many pairs of blocks of sixteen channels is blocked."""

    R: int
    K: int
    pairs: int

    @property
    def row_tiles(self) -> int:
        """Left tiles one below the other."""
        return ceildiv(self.R, SIDE)

    @property
    def steps(self) -> int:
        """Left tiles side by side; inputs from K on are zeros."""
        return ceildiv(self.K, DEPTH)

    @property
    def room(self) -> int:
        """Pairs whose right tiles scratch memory holds."""
        return (BYTES - _SUMS_BYTES) // (self.steps * 2 * _TILE_BYTES)

    @property
    def chunk(self) -> int:
        """Pairs of a chunk; the last may have fewer. There is an even number of chunks, for two workers."""
        most = min(_FEW if 2 * self.R * self.K <= _RESIDENT else self.room, self.room)
        return ceildiv(self.pairs, 2 * ceildiv(self.pairs, 2 * most))

    @property
    def chunks(self) -> int:
        """Number of chunks of the channels, which workers share out."""
        return ceildiv(self.pairs, self.chunk)

    def sums(self) -> Buffer:
        """Scratch for a panel's sums of a pair: f32 [row tile and block, 16, 16]."""
        return scratch((4, SIDE, SIDE), "float32", self.chunk * self.steps * 2 * _TILE_BYTES)

    def multiply(
        self,
        chunk: Scalar,
        x: Buffer,
        decode: Callable[[Buffer, Scalar, Scalar, int], None],
        begin: Callable[[PanelSums], None],
        finish: Callable[[PanelSums], None],
    ) -> None:
        """Computes a chunk.

        Args:
            chunk: Which.
            x: Left tiles, u16 [row_tiles, steps, 16, 32]; inputs from K on are zeros.
            decode: (right u16[pairs,steps,2,512], place, pair, b): makes the right tiles of block `b` of a pair, which
                is right[place, :, b].
            begin: Sets the tiles of sums.
            finish: Writes them.
        """
        right = scratch((self.chunk, self.steps, 2, TILE), "uint16")
        first = T.bind(chunk * self.chunk)
        count = T.bind(T.min(self.chunk, self.pairs - first))
        amx.start()
        with T.serial(count) as place:
            for b in range(2):
                decode(right, place, T.bind(first + place), b)

        def pass_over(tile: Scalar, rows: tuple[int, ...]) -> None:
            with T.serial(count) as place:
                sums = PanelSums(tile, T.bind(first + place), rows)
                begin(sums)
                self._dot(sums, x, right, place)
                finish(sums)

        with T.serial(self.R // PANEL) as panel:
            pass_over(T.bind(2 * panel), amx.WHOLE)
        edge = sizes(self.R % PANEL)
        if edge:
            amx.start(edge)
            pass_over(self.R // PANEL * 2, edge)
        amx.end()

    def _dot(self, sums: PanelSums, x: Buffer, right: Buffer, place: Scalar) -> None:
        """Adds the products of all inputs; a right tile is loaded as late as can be, for tiles are not renamed."""
        lines = ceildiv(PANEL, self.chunk)
        with T.serial(self.steps) as k:
            if self.chunk > _BUSY:
                for i in range(lines):
                    line = place * lines + i
                    prefetch(x, [sums.tile + 2 + line // SIDE, k, line % SIDE, 0], level=2)
            for b in range(2):
                amx.load(RIGHT + b, right, [place, k, b, 0], 2 * DEPTH)
                for a in range(len(sums.rows)):
                    if b == 0:
                        amx.load(LEFT + a, x, [sums.tile + a, k, 0, 0], 2 * DEPTH)
                    amx.dot(SUMS + 2 * a + b, LEFT + a, RIGHT + b)


def decode(right: Buffer, place: Scalar, b: int, weight: Buffer, block: Scalar) -> None:
    """Makes the right tiles of a block of a float16 weight [blocks, K, 16]: bfloat16, zeros for inputs from K on.

    Args:
        right: u16 [pairs, steps, 2, 512].
        place: The pair's place in it.
        b: Which of the pair's blocks it is.
        weight: Where the block is read from.
        block: Its number; the block is zeros where there is none of that number.
    """
    blocks, K, _ = (int(n) for n in weight.shape)

    def row(step: Scalar, p: int, rest: int = DEPTH) -> None:
        values = [weight[block, step * DEPTH + i, span(0)] if i < rest else None for i in (2 * p, 2 * p + 1)]
        low, high = (zeros() if v is None else materialize(T.cast(v, of("float32"))) for v in values)
        interleaved = [lane // 2 + lane % 2 * SIDE for lane in range(DEPTH)]
        pairs = T.Shuffle([materialize(amx.bfloat16(low, high), "uint16", DEPTH)], interleaved)
        T.buffer_store(right, pairs, [place, step, b, span(p * DEPTH, DEPTH)])

    with T.If(block < blocks):
        with T.Then():
            with T.serial(K // DEPTH) as step:
                for p in range(SIDE):
                    prefetch(weight, [block, step * DEPTH + 2 * p, 0], _PREFETCH_BYTES, level=1)
                    row(step, p)
            if K % DEPTH:
                for p in range(SIDE):
                    row(K // DEPTH, p, K % DEPTH)
        with T.Else(), T.serial(ceildiv(K, DEPTH)) as step, T.serial(SIDE) as p:
            T.buffer_store(right, zeros("uint16", DEPTH), [place, step, b, span(p * DEPTH, DEPTH)])


def clear(sums: PanelSums) -> None:
    """Sets a pair's sums to zero."""
    for number in sums.numbers().values():
        amx.clear(number)


def bias_of(bias: Buffer | None, block: Scalar, N: int) -> Vector:
    """The bias f32 [N] of a block as a vector, some number for outputs from N on; zeros where there is no bias."""
    if bias is None:
        return zeros()
    stored = T.alloc_buffer((LANES,), "float32")
    whole, rest = divmod(N, LANES)
    with T.If(block < whole):
        with T.Then():
            T.buffer_store(stored, bias[span(block * LANES)], [span(0)])
        with T.Else():
            values = [bias[whole * LANES + lane] if lane < rest else T.float32(0) for lane in range(LANES)]
            T.buffer_store(stored, T.Shuffle(values, list(range(LANES))), [span(0)])
    return stored[span(0)]


def each_row(sums: PanelSums, memory: Buffer, act: Callable[[int, Scalar], None]) -> None:
    """Stores sums in `memory` (`Bfloat16TileProduct.sums` made it), then acts on every row of the panel's row tiles."""
    for (a, b), number in sums.numbers().items():
        amx.store(number, memory, [2 * a + b, 0, 0], 4 * SIDE)
    for a, rows in enumerate(sums.rows):
        with T.serial(rows) as r:
            act(a, r)


def sizes(count: int) -> tuple[int, ...]:
    """Rows or channels of the one or two tiles that cover `count`."""
    return tuple(min(SIDE, count - start) for start in range(0, count, SIDE))
