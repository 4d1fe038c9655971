# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer with INT4 weights and many rows of int8 activations, on AMX tiles.

Workers share out pieces of the output channels. Within a piece the inputs are taken a slice at a time: for a pair of
blocks of sixteen channels the slice of the weight is decoded to int8 in scratch memory, where it stays in the nearest
cache while all rows pass over it (the blocking of Goto and van de Geijn, 2008, "Anatomy of high-performance matrix
multiplication"). The int32 sums of a group of activations are scaled into float32 sums, which wait in scratch memory.
"""

from dataclasses import dataclass
from typing import Any

from tvm.script import tirx as T

from tytvm.kernels import amx, int4_weight
from tytvm.kernels.amx import BYTES, LEFT, RIGHT, SIDE, SUMS
from tytvm.kernels.cost import Cost, size
from tytvm.kernels.int4_weight import CODES, ROW, nibbles, pack, unpack
from tytvm.kernels.linear_w4a8 import reference
from tytvm.kernels.scratch import BYTES as SCRATCH
from tytvm.kernels.scratch import scratch
from tytvm.kernels.vector import LANES, ceildiv, fill, hold, of, prefetch, span, zeros
from tytvm.target import InstructionSet

__all__ = ["build", "cost", "pack", "reference", "unpack"]

_SLICE = 1024  # inputs: the decoded weight of a slice is 32 KB
_PIECE = 8  # pairs of blocks: as often is a slice of the rows read from the second cache before the next one comes
_FEW = 2  # pairs of blocks where that cache holds all rows anyway
_RESIDENT = 1 << 20  # bytes of rows for which it does
_TILE = SIDE * BYTES
_SUMS = 4 * SIDE * LANES  # bytes of a tile of sums
_DOTS = 2 * _SUMS


@dataclass(frozen=True)
class Shape:
    """Shapes of the layer, and how it is cut.

    Attributes:
        R: Rows of activations.
        K: Inputs.
        N: Outputs.
        weight_group: Inputs that share a scale of the weight; divides K.
        group: Inputs that share a scale of the activations; a multiple of 64 that divides `weight_group`.
    """

    R: int
    K: int
    N: int
    weight_group: int
    group: int

    @property
    def pairs(self) -> int:
        """Pairs of blocks of sixteen channels; the last may be one block."""
        return ceildiv(self.N, 2 * SIDE)

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
    def piece(self) -> int:
        """Pairs of blocks of a piece; the last may have fewer. The number of pieces is even, for two workers."""
        room = (SCRATCH - self.right_bytes - _DOTS) // (self.row_tiles * 2 * _SUMS)
        most = min(_FEW if self.R * self.K <= _RESIDENT else _PIECE, room)
        return ceildiv(self.pairs, 2 * ceildiv(self.pairs, 2 * most))

    @property
    def pieces(self) -> int:
        """What workers share out."""
        return ceildiv(self.pairs, self.piece)


def build(
    spec: InstructionSet, R: int, K: int, N: int, group: int, activation_group: int, with_bias: bool = False
) -> Any:
    """(q i8[R/16,K/64,16,64], scale f32[R,K/a], weight, wscale, wzero, [bias f32[N]], out f32[R,N]).

    Args:
        spec: The CPU; it has tiles.
        R: Rows of activations; their codes are in left tiles, where rows from R on may hold anything.
        K: Inputs.
        N: Outputs.
        group: Inputs that share a scale of the weight; divides K.
        activation_group: Inputs that share a scale of the activations (a above); a multiple of 64 that divides `group`.
        with_bias: Whether there is a bias.
    """
    shape = Shape(R, K, N, group, activation_group)
    packed = int4_weight.shapes(K, N, group)

    @T.jit(private=True)
    def linear_w4a8_amx(
        q: T.Buffer((ceildiv(R, SIDE), K // BYTES, SIDE, BYTES), "int8"),
        scale: T.Buffer((R, K // activation_group), "float32"),
        weight: T.Buffer(packed["weight"], "uint8"),
        wscale: T.Buffer(packed["scale"], "float16"),
        wzero: T.Buffer(packed["zero"], "uint8"),
        bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((R, N), "float32"),
    ) -> None:
        for piece in T.parallel(shape.pieces):
            memory = T.meta_var(Memory.of(shape))
            amx.start()
            for s in range(shape.slices):
                for pair in range(T.min(shape.piece, shape.pairs - piece * shape.piece)):
                    part = T.meta_var(Part(shape, memory, s, pair, piece * shape.piece + pair))
                    part.decode(weight, wzero)
                    part.pass_over(q, scale, wscale, bias, out)
            amx.end()

    return linear_w4a8_amx.specialize() if with_bias else linear_w4a8_amx.specialize(bias=None)


@dataclass(frozen=True)
class Memory:
    """Scratch: `right` tiles of a slice, `dots` of two groups as int32, and the `sums` of a piece as float32."""

    right: Any
    dots: Any
    sums: Any

    @staticmethod
    def of(shape: Shape) -> "Memory":
        """Laid out one after the other."""
        return Memory(
            scratch((2, shape.slice * shape.tiles, SIDE, BYTES), "int8"),
            scratch((2, SIDE, LANES), "int32", shape.right_bytes),
            scratch((shape.piece, shape.row_tiles, 2, SIDE, LANES), "float32", shape.right_bytes + _DOTS),
        )


@dataclass(frozen=True)
class Part:
    """A pair of blocks and a slice of the inputs; `place` is the pair's place within its piece."""

    shape: Shape
    memory: Memory
    slice: Any
    place: Any
    pair: Any

    @property
    def groups(self) -> Any:
        """How many groups the slice has."""
        all_groups = self.shape.K // self.shape.group
        whole = all_groups % self.shape.slice == 0
        return self.shape.slice if whole else T.min(self.shape.slice, all_groups - self.slice * self.shape.slice)

    def block(self, b: int) -> Any:
        """Block `b` of the pair; one that does not exist is the last one again."""
        blocks = ceildiv(self.shape.N, SIDE)
        return T.min(2 * self.pair + b, blocks - 1) if blocks % 2 else 2 * self.pair + b

    def group(self, g: Any) -> Any:
        """The place of the slice's group `g` among all."""
        return self.slice * self.shape.slice + g

    def weight_group(self, g: Any) -> Any:
        """The weight's group that the slice's group `g` lies in."""
        parts = self.shape.weight_group // self.shape.group
        return self.group(g) // parts if parts > 1 else self.group(g)

    def decode(self, weight: Any, wzero: Any) -> None:
        """Makes right tiles of the slice: code − zero, four inputs to a lane; asks for the next pair's codes."""
        rows = self.shape.group // CODES
        with T.serial(self.groups) as g:
            for b in range(2):
                zero = T.cast(wzero[self.block(b), self.weight_group(g), span(0)], of("int32")) * fill(
                    T.int32(0x01010101)
                )
                zero = hold(T.reinterpret("int8x64", hold(zero, "int32")), "int8", BYTES)
                with T.serial(rows) as row:
                    at = T.bind(self.group(g) * rows + row)
                    prefetch(weight, [self.block(b), at, 0], 2 * weight.shape[1] * ROW, level=2)
                    for half, codes in enumerate(nibbles(weight, self.block(b), at)):
                        side = row % (SIDE // 2) * 2 + half
                        place = [b, g * self.shape.tiles + row // (SIDE // 2), side, span(0, BYTES)]
                        T.buffer_store(self.memory.right, T.reinterpret("int8x64", codes) - zero, place)

    def pass_over(self, q: Any, scale: Any, wscale: Any, bias: Any, out: Any) -> None:
        """Multiplies all rows by the decoded slice, a left tile at a time."""
        whole, rest = divmod(self.shape.R, SIDE)
        with T.serial(whole) as m:
            for b in range(2):
                self.multiply(q, scale, wscale, bias, out, m, b, SIDE)
        if rest:
            for b in range(2):
                self.multiply(q, scale, wscale, bias, out, whole, b, rest)

    def multiply(self, q: Any, scale: Any, wscale: Any, bias: Any, out: Any, m: Any, b: int, rows: int) -> None:
        """Adds the products of row tile `m`, of so many rows, and block `b` to their sums, which registers hold."""
        sums = [T.alloc_buffer((LANES,), "float32") for _ in range(rows)]
        self._begin(sums, m, b)
        with T.serial(self.groups) as g:
            amx.clear(SUMS)
            with T.unroll(self.shape.tiles) as k:
                tile = g * self.shape.tiles + k
                amx.load(RIGHT, self.memory.right, [b, tile, 0, 0], BYTES)
                amx.load(LEFT, q, [m, self.group(0) * self.shape.tiles + tile, 0, 0], BYTES)
                amx.dot_int8(SUMS, LEFT, RIGHT)
            amx.store(SUMS, self.memory.dots, [g % 2, 0, 0], BYTES)
            factor = hold(T.cast(wscale[self.block(b), self.weight_group(g), span(0)], of("float32")))
            for r, total in enumerate(sums):
                both = hold(factor * fill(scale[m * SIDE + r, self.group(g)]))
                dots = T.cast(self.memory.dots[g % 2, r, span(0)], of("float32"))
                T.buffer_store(total, total[span(0)] + dots * both, [span(0)])
        self._end(sums, bias, out, m, b)

    def _begin(self, sums: list[Any], m: Any, b: int) -> None:
        """Zero, or what earlier slices left."""
        with T.If(self.slice == 0):
            with T.Then():
                for total in sums:
                    T.buffer_store(total, zeros(), [span(0)])
            with T.Else():
                for r, total in enumerate(sums):
                    T.buffer_store(total, self.memory.sums[self.place, m, b, r, span(0)], [span(0)])

    def _end(self, sums: list[Any], bias: Any, out: Any, m: Any, b: int) -> None:
        """Leaves the sums to the next slice; after the last one they are the output, plus the bias."""
        with T.If(self.slice < self.shape.slices - 1):
            with T.Then():
                for r, total in enumerate(sums):
                    T.buffer_store(self.memory.sums, total[span(0)], [self.place, m, b, r, span(0)])
            with T.Else():
                for r, total in enumerate(sums):
                    self._store(bias, out, m * SIDE + r, b, total[span(0)])

    def _store(self, bias: Any, out: Any, row: Any, b: int, value: Any) -> None:
        """Writes sixteen channels of a row, leaving out those from N on."""
        start, rest = self.block(b) * LANES, self.shape.N % LANES
        if not rest:
            T.buffer_store(out, value if bias is None else value + bias[span(start)], [row, span(start)])
            return
        with T.If(start + LANES <= self.shape.N):
            with T.Then():
                T.buffer_store(out, value if bias is None else value + bias[span(start)], [row, span(start)])
            with T.Else():
                for lane in range(rest):
                    one, channel = T.Shuffle([value], [lane]), self.shape.N - rest + lane
                    T.buffer_store(out, one if bias is None else one + bias[channel], [row, channel])


def cost(R: int, K: int, N: int, group: int, activation_group: int, with_bias: bool = False) -> Cost:
    """Operations and bytes."""
    activations = size("int8", R, K) + size("float32", R, K // activation_group)
    read = activations + int4_weight.size_of(K, N, group) + size("float32", N * with_bias)
    return Cost({"int8": 2 * R * K * N, "float32": 3 * R * N * K // activation_group}, read, size("float32", R, N))
