"""The product of many rows of bfloat16 by a float16 weight on AMX tiles, two by two tiles at a time.

The weight becomes bfloat16 on the way. `linear_w4a8_amx` tells how the work is cut; here the sums stay in tiles for a
whole slice of the inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm.script import tirx as T

from tytvm.kernels import amx
from tytvm.kernels.amx import DEPTH, LEFT, RIGHT, SIDE, SUMS, TILE
from tytvm.kernels.scratch import BYTES, scratch
from tytvm.kernels.vector import ceildiv

_SLICE = 12  # steps of 32 inputs: the decoded weight of a slice is 24 KB
_PIECE = 8  # pairs of blocks: as often is a slice of the rows read from the second cache before the next one comes
_FEW = 2  # pairs of blocks where that cache holds all rows anyway
_RESIDENT = 1 << 20  # bytes of rows for which it does
_TILE_BYTES = 4 * SIDE * SIDE  # of sums

Decode = Callable[[Any, Any, Any, Any, int], None]
"""(right u16[steps,2,512], k, step, block, b): writes a block's right tile for a step of the inputs at right[k, b]."""


@dataclass(frozen=True)
class TileProduct:
    """Shapes of a product of [R, K] by [N, K]; K is a multiple of 32."""

    R: int
    K: int
    N: int

    @property
    def row_tiles(self) -> int:
        """Left tiles one below the other."""
        return ceildiv(self.R, SIDE)

    @property
    def steps(self) -> int:
        """Left tiles side by side."""
        return self.K // DEPTH

    @property
    def pairs(self) -> int:
        """Pairs of blocks of sixteen channels; the last may be one block."""
        return ceildiv(self.N, 2 * SIDE)

    @property
    def slices(self) -> int:
        """Passes over the rows, one for each slice of the inputs."""
        return ceildiv(self.steps, _SLICE)

    @property
    def slice(self) -> int:
        """Steps of a slice; the last may have fewer."""
        return ceildiv(self.steps, self.slices)

    @property
    def piece(self) -> int:
        """Pairs of a piece; the last may have fewer. There is an even number of pieces, for two workers."""
        room = (BYTES - self.slice * 2 * TILE * 2) // (ceildiv(self.R, 2 * SIDE) * 4 * _TILE_BYTES)
        most = min(_FEW if 2 * self.R * self.K <= _RESIDENT else _PIECE, room)
        return ceildiv(self.pairs, 2 * ceildiv(self.pairs, 2 * most))

    @property
    def pieces(self) -> int:
        """What workers share out."""
        return ceildiv(self.pairs, self.piece)

    def multiply(self, piece: Any, x: Any, bias: Any, out: Any, decode: Decode) -> None:
        """Computes a piece: out = x · weightᵀ + bias.

        Args:
            piece: Which.
            x: Left tiles, u16 [row_tiles, steps, 16, 32].
            bias: f32 [N] or None.
            out: f32 [R, N].
            decode: Where right tiles come from.
        """
        right = scratch((self.slice, 2, TILE), "uint16")
        sums = scratch((self.piece, ceildiv(self.R, 2 * SIDE), 4, SIDE * SIDE), "float32", self.slice * 2 * TILE * 2)
        amx.start()
        with T.serial(self.slices) as s:
            first = T.bind(s * self.slice)
            count = T.min(self.slice, self.steps - first) if self.steps % self.slice else self.slice
            with T.serial(T.min(self.piece, self.pairs - piece * self.piece)) as p:
                of = _Part(self, x, bias, out, right, sums, s, first, count, p, T.bind(piece * self.piece + p))
                self._pair(of, decode)
        amx.end()

    def _pair(self, of: "_Part", decode: Decode) -> None:
        """One pair of blocks; where the channels end within the last one, with smaller tiles."""
        edge = _sizes(self.N % (2 * SIDE))
        if not edge:
            of.multiply(amx.WHOLE, decode)
            return
        with T.If(of.pair < self.N // (2 * SIDE)):
            with T.Then():
                of.multiply(amx.WHOLE, decode)
            with T.Else():
                amx.start(channels=edge)
                of.multiply(edge, decode)
                amx.start()


@dataclass(frozen=True)
class _Part:
    """A pair of blocks and a slice of the inputs: `count` steps from `first` on."""

    shape: TileProduct
    x: Any
    bias: Any
    out: Any
    right: Any
    sums: Any
    slice: Any
    first: Any
    count: Any
    pair_of_piece: Any
    pair: Any

    def multiply(self, channels: tuple[int, ...], decode: Decode) -> None:
        """Decodes the blocks, then passes all rows over them."""
        for b in range(len(channels)):
            with T.serial(self.count) as k:
                decode(self.right, k, self.first + k, 2 * self.pair + b, b)
        with T.serial(self.shape.R // (2 * SIDE)) as m:
            self._rows(2 * m, amx.WHOLE, channels)
        edge = _sizes(self.shape.R % (2 * SIDE))
        if edge:
            amx.start(edge, channels)
            self._rows(self.shape.R // (2 * SIDE) * 2, edge, channels)
            amx.start(amx.WHOLE, channels)

    def _rows(self, tile: Any, rows: tuple[int, ...], channels: tuple[int, ...]) -> None:
        """Adds the products of one or two row tiles by one or two blocks to their sums."""
        sums = {(a, b): SUMS + 2 * a + b for a in range(len(rows)) for b in range(len(channels))}
        self._begin(tile, sums)
        with T.serial(self.count) as k:
            for b in range(len(channels)):
                amx.load(RIGHT + b, self.right, [k, b, 0], 2 * DEPTH)
            for a in range(len(rows)):
                amx.load(LEFT + a, self.x, [tile + a, self.first + k, 0, 0], 2 * DEPTH)
                for b in range(len(channels)):
                    amx.dot(sums[a, b], LEFT + a, RIGHT + b)
        self._end(tile, sums)

    def _begin(self, tile: Any, sums: dict[tuple[int, int], int]) -> None:
        """The bias, or what earlier slices left."""
        with T.If(self.slice == 0):
            with T.Then():
                for (_, b), number in sums.items():
                    if self.bias is None:
                        amx.clear(number)
                    else:
                        amx.load(number, self.bias, [self._channel(b)], 0)
            with T.Else():
                for number in sums.values():
                    amx.load(number, self.sums, self._waiting(tile, number), 4 * SIDE)

    def _end(self, tile: Any, sums: dict[tuple[int, int], int]) -> None:
        """Leaves the sums to the next slice; after the last one they are the output."""
        with T.If(self.slice == self.shape.slices - 1):
            with T.Then():
                for (a, b), number in sums.items():
                    amx.store(number, self.out, [(tile + a) * SIDE, self._channel(b)], 4 * self.shape.N)
            with T.Else():
                for number in sums.values():
                    amx.store(number, self.sums, self._waiting(tile, number), 4 * SIDE)

    def _channel(self, b: int) -> Any:
        return (2 * self.pair + b) * SIDE

    def _waiting(self, tile: Any, number: int) -> list[Any]:
        return [self.pair_of_piece, tile // 2, number - SUMS, 0]


def _sizes(count: int) -> tuple[int, ...]:
    """Rows or channels of the one or two tiles that cover `count`."""
    return tuple(min(SIDE, count - start) for start in range(0, count, SIDE))
