"""Register tiling of a linear layer's outputs: rows × blocks of sixteen channels, as many as the registers hold."""

from collections.abc import Iterator
from dataclasses import dataclass

from tvm.script import tirx as T

from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, ceildiv, span, zeros

_MOST_BLOCKS, _FEWEST_BLOCKS = 4, 2
_ENOUGH_TILES = 64  # so that sixteen workers have about equal shares


@dataclass(frozen=True)
class RegisterTile:
    """`rows` × `blocks` accumulators of sixteen lanes, that move over an output [R, N].

    The last tile of an edge may reach beyond it: it then computes the last row or block again, to the same values.
    """

    R: int
    N: int
    rows: int
    blocks: int

    @property
    def channel_blocks(self) -> int:
        """Blocks of sixteen channels of the whole output."""
        return ceildiv(self.N, LANES)

    @property
    def across(self) -> int:
        """Tiles that cover the channels: what workers share out."""
        return ceildiv(self.channel_blocks, self.blocks)

    @property
    def down(self) -> int:
        """Tiles that cover the rows."""
        return ceildiv(self.R, self.rows)

    def row(self, tile: Scalar, r: int) -> Scalar:
        """The row of the output that is row `r` of a tile."""
        row = tile * self.rows + r
        return T.min(row, self.R - 1) if self.R % self.rows else row

    def block(self, tile: Scalar, b: int) -> Scalar:
        """The block of the output that is block `b` of a tile."""
        block = tile * self.blocks + b
        return T.min(block, self.channel_blocks - 1) if self.channel_blocks % self.blocks else block

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((r, b) for r in range(self.rows) for b in range(self.blocks))


def tile_of(accumulators: int, R: int, N: int, fewest_blocks: int = _FEWEST_BLOCKS) -> RegisterTile:
    """The tile for an output [R, N], of at most so many accumulators: few passes over the weight, equally high.

    Args:
        accumulators: Blocks of sixteen lanes.
        R: Rows of the output.
        N: Its channels.
        fewest_blocks: Blocks side by side that a value of the activations is worth loading for.
    """
    passes = ceildiv(R, max(1, accumulators // fewest_blocks))
    rows = ceildiv(R, passes)
    channels = ceildiv(N, LANES)
    blocks = min(_MOST_BLOCKS, max(1, accumulators // rows), channels)
    while blocks > _FEWEST_BLOCKS and ceildiv(channels, blocks) < _ENOUGH_TILES:
        blocks -= 1
    return RegisterTile(R, N, rows, blocks)


class Accumulators:
    """The accumulators of a tile, each in a stack buffer of its own, which LLVM keeps in a register."""

    def __init__(self, tile: RegisterTile, dtype: str = "float32", lanes: int = LANES) -> None:
        self._tile, self._dtype, self._lanes = tile, dtype, lanes
        self._buffers = {at: T.alloc_buffer((lanes,), dtype) for at in tile}

    def __getitem__(self, at: tuple[int, int]) -> Vector:
        return self._buffers[at][span(0, self._lanes)]

    def __setitem__(self, at: tuple[int, int], value: Vector) -> None:
        T.buffer_store(self._buffers[at], value, [span(0, self._lanes)])

    def clear(self) -> None:
        """Sets all to zero."""
        for at in self._tile:
            self[at] = zeros(self._dtype, self._lanes)


def store(
    tile: RegisterTile, registers: Accumulators, bias: Buffer | None, out: Buffer, across: Scalar, down: Scalar
) -> None:
    """Writes a tile, plus the bias [N] if any, into `out` [R, N], leaving out channels from N on."""
    whole, rest = tile.N // LANES, tile.N % LANES
    for r, b in tile:
        row, block, value = tile.row(down, r), tile.block(across, b), registers[r, b]
        at = span(block * LANES)
        if not rest:
            T.buffer_store(out, value if bias is None else value + bias[at], [row, at])
            continue
        with T.If(block < whole):
            with T.Then():
                T.buffer_store(out, value if bias is None else value + bias[at], [row, at])
            with T.Else():
                for lane in range(rest):
                    one = T.Shuffle([value], [lane])
                    channel = whole * LANES + lane
                    T.buffer_store(out, one if bias is None else one + bias[channel], [row, channel])
