"""The product of many rows of int8 by INT4 weights on AMX tiles, two blocks of sixteen channels at a time.

Workers share out chunks of the output channels. Within a chunk the inputs are taken a slice at a time: for a pair of
blocks the slice of the weight is decoded to int8 in scratch memory, where it stays in the nearest cache while all rows
pass over it (the blocking of Goto and van de Geijn, 2008, "Anatomy of high-performance matrix multiplication"). The
int32 sums of a group of activations are scaled into float32 sums, which wait in scratch memory from slice to slice.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tvm.script import tirx as T

from tytvm.kernels.linear.int4_weight import CODES, ROW, nibbles
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.amx import BYTES, LEFT, RIGHT, SIDE, SUMS
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.scratch import BYTES as SCRATCH
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, ceildiv, fill, materialize, of, prefetch, span, zeros

_SLICE = 512  # inputs: a slice has 16 KB of decoded weight and of rows; see docs/log/linear_kernels.md
_TILE = SIDE * BYTES
_SUMS = 4 * SIDE * LANES  # bytes of a tile of sums
_DOTS = 2 * _SUMS

FinishSums = Callable[[Scalar, Scalar, int, list[Vector]], None]
"""(place of the pair in its chunk, row tile, block of the pair, sums): what becomes of the sums of a tile's rows."""


@dataclass(frozen=True)
class Int8TileProduct:
    """Shapes of the product, and how it is blocked.

    Attributes:
        R: Rows of activations.
        K: Inputs.
        pairs: Pairs of blocks of sixteen channels.
        chunk: Pairs of a chunk; the last may have fewer.
        weight_group: Inputs that share a scale of the weight; divides K.
        group: Inputs that share a scale of the activations; a multiple of 64 that divides `weight_group`.
    """

    R: int
    K: int
    pairs: int
    chunk: int
    weight_group: int
    group: int

    @property
    def chunks(self) -> int:
        """Number of chunks of the channels, which workers share out."""
        return ceildiv(self.pairs, self.chunk)

    @property
    def row_tiles(self) -> int:
        """Left tiles one below the other; the last may have fewer rows."""
        return ceildiv(self.R, SIDE)

    @property
    def slice(self) -> int:
        """Groups of a slice; the last slice may have fewer."""
        groups = self.K // self.group
        return ceildiv(groups, ceildiv(groups, max(1, _SLICE // self.group)))

    @property
    def slices(self) -> int:
        """Passes over the rows."""
        return ceildiv(self.K // self.group, self.slice)

    @property
    def tiles(self) -> int:
        """Tiles side by side in a group."""
        return self.group // BYTES

    @property
    def right_bytes(self) -> int:
        """Scratch memory of a decoded slice."""
        return self.slice * self.tiles * 2 * _TILE

    @property
    def room(self) -> int:
        """Pairs of which scratch memory holds the sums."""
        return (SCRATCH - self.right_bytes - _DOTS) // (self.row_tiles * 2 * _SUMS)


@dataclass(frozen=True)
class WeightBlock:
    """Block `number` of an INT4 weight; `step` blocks lie between it and the one that comes next in its place."""

    weight: Buffer
    scale: Buffer
    zero: Buffer
    number: Scalar
    step: int


@dataclass(frozen=True)
class ProductScratch:
    """Scratch: `right` tiles of a slice, `dots` of two groups as int32, and the `sums` of a chunk as float32."""

    right: Buffer
    dots: Buffer
    sums: Buffer

    @staticmethod
    def of(shape: Int8TileProduct) -> "ProductScratch":
        """Laid out one after the other."""
        return ProductScratch(
            scratch((2, shape.slice * shape.tiles, SIDE, BYTES), "int8"),
            scratch((2, SIDE, LANES), "int32", shape.right_bytes),
            scratch((shape.chunk, shape.row_tiles, 2, SIDE, LANES), "float32", shape.right_bytes + _DOTS),
        )


def multiply(
    shape: Int8TileProduct,
    memory: ProductScratch,
    chunk: Scalar,
    q: Buffer,
    scale: Buffer,
    blocks: Callable[[Scalar], list[WeightBlock]],
    finish: FinishSums,
) -> None:
    """Computes a chunk.

    Args:
        shape: How it is blocked.
        memory: Scratch memory.
        chunk: Which.
        q: Codes of the activations in left tiles, i8 [ceil(R/16), K/64, 16, 64].
        scale: Their scales, f32 [R, K/group].
        blocks: The two blocks of a pair.
        finish: What to do with finished sums.
    """
    amx.start()
    with T.serial(shape.slices) as s, T.serial(T.min(shape.chunk, shape.pairs - chunk * shape.chunk)) as place:
        part = WeightSlice(shape, memory, s, place, blocks(T.bind(chunk * shape.chunk + place)))
        part.decode()
        part.pass_over(q, scale, finish)
    amx.end()


@dataclass(frozen=True)
class WeightSlice:
    """A pair of blocks and a slice of the inputs; `place` is the pair's place within its chunk."""

    shape: Int8TileProduct
    memory: ProductScratch
    slice: Scalar
    place: Scalar
    blocks: list[WeightBlock]

    @property
    def groups(self) -> Scalar:
        """The number of groups that the slice has."""
        all_groups = self.shape.K // self.shape.group
        whole = all_groups % self.shape.slice == 0
        return self.shape.slice if whole else T.min(self.shape.slice, all_groups - self.slice * self.shape.slice)

    def group(self, g: Scalar) -> Scalar:
        """The place of the slice's group `g` among all."""
        return self.slice * self.shape.slice + g

    def weight_group(self, g: Scalar) -> Scalar:
        """The weight's group that the slice's group `g` lies in."""
        parts = self.shape.weight_group // self.shape.group
        return self.group(g) // parts if parts > 1 else self.group(g)

    def decode(self) -> None:
        """Makes right tiles of the slice: code − zero, four inputs to a lane; prefetches the next pair's codes."""
        rows = self.shape.group // CODES
        with T.serial(self.groups) as g:
            for b, block in enumerate(self.blocks):
                zero = T.cast(block.zero[block.number, self.weight_group(g), span(0)], of("int32"))
                four = materialize(zero * fill(T.int32(0x01010101)), "int32")
                zeros_of_lanes = materialize(T.reinterpret("int8x64", four), "int8", BYTES)
                with T.serial(rows) as row:
                    at = T.bind(self.group(g) * rows + row)
                    prefetch(block.weight, [block.number, at, 0], block.step * block.weight.shape[1] * ROW, level=2)
                    for half, codes in enumerate(nibbles(block.weight, block.number, at)):
                        side = row % (SIDE // 2) * 2 + half
                        place = [b, g * self.shape.tiles + row // (SIDE // 2), side, span(0, BYTES)]
                        T.buffer_store(self.memory.right, T.reinterpret("int8x64", codes) - zeros_of_lanes, place)

    def pass_over(self, q: Buffer, scale: Buffer, finish: FinishSums) -> None:
        """Multiplies all rows by the decoded slice, a left tile at a time."""
        whole, rest = divmod(self.shape.R, SIDE)
        with T.serial(whole) as m:
            for b in range(2):
                self.multiply(q, scale, m, b, SIDE, finish)
        if rest:
            for b in range(2):
                self.multiply(q, scale, whole, b, rest, finish)

    def multiply(self, q: Buffer, scale: Buffer, m: Scalar, b: int, rows: int, finish: FinishSums) -> None:
        """Adds the products of row tile `m`, of so many rows, and block `b` to their sums, which registers hold.

        A group's products are scaled while the tiles work on the next one.
        """
        sums = [T.alloc_buffer((LANES,), "float32") for _ in range(rows)]
        self._begin(sums, m, b)
        self._dot(q, m, b, 0)
        with T.serial(self.groups - 1) as g:
            amx.store(SUMS, self.memory.dots, [g % 2, 0, 0], BYTES)
            self._dot(q, m, b, g + 1)
            self._rescale(sums, scale, m, b, g)
        amx.store(SUMS, self.memory.dots, [(self.groups - 1) % 2, 0, 0], BYTES)
        self._rescale(sums, scale, m, b, self.groups - 1)
        self._end(sums, m, b, finish)

    def _dot(self, q: Buffer, m: Scalar, b: int, g: Scalar) -> None:
        """The products of group `g`, in a tile."""
        amx.clear(SUMS)
        for k in range(self.shape.tiles):  # alternating: a tile is not renamed, a load waits for the product before
            tile, parity = g * self.shape.tiles + k, k % 2
            amx.load(RIGHT + parity, self.memory.right, [b, tile, 0, 0], BYTES)
            amx.load(LEFT + parity, q, [m, self.group(0) * self.shape.tiles + tile, 0, 0], BYTES)
            amx.dot_int8(SUMS, LEFT + parity, RIGHT + parity)

    def _rescale(self, sums: list[Buffer], scale: Buffer, m: Scalar, b: int, g: Scalar) -> None:
        """Adds the products of group `g` from memory: sums += scale_w · scale_x · dots."""
        block = self.blocks[b]
        factor = materialize(T.cast(block.scale[block.number, self.weight_group(g), span(0)], of("float32")))
        for r, total in enumerate(sums):
            both = materialize(factor * fill(scale[m * SIDE + r, self.group(g)]))
            dots = T.cast(self.memory.dots[g % 2, r, span(0)], of("float32"))
            T.buffer_store(total, total[span(0)] + dots * both, [span(0)])

    def _begin(self, sums: list[Buffer], m: Scalar, b: int) -> None:
        """Zero, or what earlier slices left."""
        with T.If(self.slice == 0):
            with T.Then():
                for total in sums:
                    T.buffer_store(total, zeros(), [span(0)])
            with T.Else():
                for r, total in enumerate(sums):
                    T.buffer_store(total, self.memory.sums[self.place, m, b, r, span(0)], [span(0)])

    def _end(self, sums: list[Buffer], m: Scalar, b: int, finish: FinishSums) -> None:
        """Leaves the sums to the next slice; after the last one they are finished."""
        with T.If(self.slice < self.shape.slices - 1):
            with T.Then():
                for r, total in enumerate(sums):
                    T.buffer_store(self.memory.sums, total[span(0)], [self.place, m, b, r, span(0)])
            with T.Else():
                finish(self.place, m, b, [total[span(0)] for total in sums])
