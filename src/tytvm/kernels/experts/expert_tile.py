"""The tile of an expert's linear layer: rows that lie anywhere, times weights that begin anywhere in a stack.

A stack of experts is stored as one linear weight [experts · N, K]: expert e has the outputs from e · N on.
"""

from dataclasses import dataclass

from tvm.script import tirx as T

from tytvm.kernels.linear.register_tile import Accumulators, RegisterTile, tile_of
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.primitives.expressions import Buffer, Scalar
from tytvm.kernels.primitives.vector import LANES, ceildiv, span


@dataclass(frozen=True)
class PlacedTile(RegisterTile):
    """A tile whose rows are at `places`, and whose blocks of channels are counted from `first_block` on."""

    places: tuple[Scalar, ...] = ()
    first_block: Scalar = 0

    def row(self, tile: Scalar, r: int) -> Scalar:
        """The place of row `r`, whichever the tile."""
        return self.places[r]

    def block(self, tile: Scalar, b: int) -> Scalar:
        """The block of the stack that is block `b` of a tile."""
        return self.first_block + super().block(tile, b)


@dataclass(frozen=True)
class ExpertTile:
    """The tile of one expert's outputs, for as many rows as an expert has on average.

    Attributes:
        plain: Where no row and no block is moved.
        groups: The rows, by expert.
        gathers: Whether a row is read at its token; else at its own place among the grouped rows.
    """

    plain: RegisterTile
    groups: ExpertGroups
    gathers: bool

    @property
    def tasks(self) -> int:
        """What workers share out: each group's tiles of channels."""
        return self.groups.most_groups * self.plain.across

    def passes(self, bounds: Buffer, group: Scalar) -> Scalar:
        """Passes over the rows of a group; none where there are none."""
        return ceildiv(bounds[group + 1] - bounds[group], self.plain.rows)

    def place(
        self, expert: Buffer, bounds: Buffer, source: Buffer | None, group: Scalar, down: Scalar
    ) -> tuple[PlacedTile, PlacedTile]:
        """The tile as its factors are read and as it is written, for a pass over a group's rows."""
        plain = self.plain
        # int64: a stack may have more than 2 GiB
        first_block = _bound(T.cast(expert[group], "int64") * T.int64(plain.channel_blocks), "int64")
        places = [
            _bound(T.min(bounds[group] + down * plain.rows + r, bounds[group + 1] - 1)) for r in range(plain.rows)
        ]
        read = [_bound(source[place]) for place in places] if source is not None else places
        size = (plain.R, plain.N, plain.rows, plain.blocks)
        return PlacedTile(*size, tuple(read), first_block), PlacedTile(*size, tuple(places), T.int64(0))


def expert_tile(accumulators: int, groups: ExpertGroups, N: int, gathers: bool, **few: int) -> ExpertTile:
    """The tile for N outputs an expert, of at most so many accumulators; N is a multiple of sixteen."""
    rows = min(groups.tokens, max(1, round(groups.rows / groups.experts)))
    return ExpertTile(tile_of(accumulators, rows, N, **few), groups, gathers)


def add_bias(sums: Accumulators, bias: Buffer | None, expert: Scalar, tile: PlacedTile, across: Scalar) -> None:
    """Adds an expert's bias, a part of [experts · N], to the sums of a tile, where there are any."""
    if bias is not None:
        for r, b in tile:
            sums[r, b] = sums[r, b] + bias[span(expert * tile.N + tile.block(across, b) * LANES)]


def absent(**present: bool) -> dict[str, None]:
    """What to specialize a kernel with whose parameters of these names are not all there."""
    return {name: None for name, is_there in present.items() if not is_there}


def _bound(value: Scalar, dtype: str = "int32") -> Scalar:
    """The value of an index, computed once."""
    stored = T.alloc_buffer((1,), dtype)
    T.buffer_store(stored, value, [0])
    return stored[0]
