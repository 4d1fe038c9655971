"""Attention's two products on AMX tiles: queries, keys, weights and values rounded to bfloat16, sums in float32.

Two left tiles, 32 query rows, are multiplied by two right ones, 32 keys or 32 inputs of values. A block's keys and
values become right tiles once, in the thread's memory, for all tiles of query rows.
"""

from collections.abc import Callable

from tvm.script import tirx as T

from tytvm.kernels.attention.cached_products_float import FromCache
from tytvm.kernels.operands.attention_tiling import AttentionTiling
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, ceildiv, fill, materialize, span, zeros

ROWS = 2 * amx.SIDE
"""Query rows of a tile."""
_ROUND = 0x8000  # half of bfloat16's last place in the bits of a float32
_HIGH = -0x10000  # the bits that bfloat16 keeps


def packed_width(tiling: AttentionTiling) -> int:
    """Inputs of a query, with zeros up to whole tiles."""
    return ceildiv(tiling.shape.cache.D, amx.DEPTH) * amx.DEPTH


def bytes_of(tiling: AttentionTiling) -> int:
    """Bytes of scratch memory that a task uses: for scores, weights, and the tiles of a block's keys and values."""
    return tiling.keys * (4 * ROWS + 2 * ROWS + 2 * packed_width(tiling) + 2 * tiling.shape.cache.values[2])


class CachedTileProducts:
    """Both products of a tile of query rows."""

    def __init__(self, source: FromCache, packed: Buffer, sums: Buffer) -> None:
        self.source, self.task, self.packed, self.sums = source, source.task, packed, sums
        tiling = self.task.tiling
        self.keys_count, self.depth, self.width = tiling.keys, packed_width(tiling), tiling.shape.cache.values[2]
        weights_at = 4 * ROWS * tiling.keys
        keys_at = weights_at + 2 * ROWS * tiling.keys
        key_shape = (tiling.keys // LANES, self.depth // 2, LANES)
        value_shape = (tiling.keys // amx.DEPTH, self.width // LANES, amx.SIDE, LANES)
        self.scores = scratch((ROWS, tiling.keys), "float32")
        self.weights = scratch((ROWS, tiling.keys), "uint16", weights_at)
        self.keys = scratch(key_shape, "int32", keys_at)
        self.values = scratch(value_shape, "int32", keys_at + 2 * tiling.keys * self.depth)

    def pack(self, q: Buffer) -> None:
        """Queries [tile, row, input], times the scores' factor."""
        tiling = self.task.tiling
        with T.serial(tiling.tiles) as tile, T.serial(ROWS) as row:
            head, s = (materialize(each, "int32", 1) for each in self.task.query(tile, row))
            for start in range(0, self.depth, amx.DEPTH):
                halves = [self._query(q, head, s, start + half) for half in (0, LANES)]
                T.buffer_store(
                    self.packed, amx.bfloat16(*halves), [self.task.number, tile, row, span(start, amx.DEPTH)]
                )

    def _query(self, q: Buffer, head: Scalar, s: Scalar, start: int) -> Vector:
        if start >= self.task.tiling.shape.cache.D:
            return zeros()
        return materialize(q[head, s, span(start)] * fill(T.float32(self.task.tiling.shape.factor)))

    def load(self, base: Scalar) -> None:
        """Makes right tiles of the block's keys and values, up to the last cache row that the task reads."""
        steps = materialize(ceildiv(T.min(self.task.end - base, self.keys_count), amx.DEPTH), "int32", 1)
        with T.serial(steps * 2) as number:
            self._load_keys(base, number)
        with T.serial(steps) as step, T.serial(amx.SIDE) as pair:
            self._load_values(base, step, pair)

    def _load_keys(self, base: Scalar, number: Scalar) -> None:
        tile, width = self.source.key_tile(base, number), self.task.tiling.shape.cache.D
        with T.serial(width // 2) as pair:
            two = paired(self.source.key(tile, pair * 2), self.source.key(tile, pair * 2 + 1))
            T.buffer_store(self.keys, two, [number, pair, span(0)])
        with T.serial((self.depth - width) // 2) as pair:
            T.buffer_store(self.keys, fill(T.int32(0)), [number, width // 2 + pair, span(0)])

    def _load_values(self, base: Scalar, step: Scalar, pair: Scalar) -> None:
        rows = [materialize(base + step * amx.DEPTH + pair * 2 + each, "int32", 1) for each in (0, 1)]
        last = self.task.end - 1
        with T.serial(self.width // LANES) as vector:
            two = []
            for row in rows:
                (value,) = self.source.value(0, T.min(row, last), [vector])
                two.append(materialize(T.Select(fill(row) <= fill(last), value, zeros())))
            T.buffer_store(self.values, paired(*two), [step, vector, pair, span(0)])

    def score(self, tile: Scalar, base: Scalar, count: Scalar) -> None:
        """Scores of a tile with the block's first `count` keys (or some more)."""
        with T.serial(ceildiv(count, amx.DEPTH)) as step:
            _each_sum(lambda a, b, sums: amx.clear(sums))
            for depth in range(self.depth // amx.DEPTH):
                for half in (0, 1):
                    query = [self.task.number, tile, half * amx.SIDE, depth * amx.DEPTH]
                    amx.load(amx.LEFT + half, self.packed, query, 2 * self.depth)
                    amx.load(amx.RIGHT + half, self.keys, [step * 2 + half, depth * amx.SIDE, 0], amx.BYTES)
                _each_sum(lambda a, b, sums: amx.dot(sums, amx.LEFT + a, amx.RIGHT + b))
            _each_sum(
                lambda a, b, sums: amx.store(
                    sums, self.scores, [a * amx.SIDE, step * amx.DEPTH + b * amx.SIDE], 4 * self.keys_count
                )
            )

    def gather(self, tile: Scalar, base: Scalar, count: Scalar) -> None:
        """Adds the values of the block's first `count` rows, weighted."""
        steps = materialize(ceildiv(count, amx.DEPTH), "int32", 1)
        blocks = self.width // LANES
        with T.serial(blocks // 2) as block:
            self._gather(tile, block * 2, 2, steps)
        if blocks % 2:
            self._gather(tile, T.int32(blocks - 1), 1, steps)

    def _gather(self, tile: Scalar, block: Scalar, blocks: int, steps: Scalar) -> None:
        def place(a: int, b: int) -> list[Scalar]:
            return [self.task.number, tile * ROWS + a * amx.SIDE, (block + b) * LANES]

        _each_sum(lambda a, b, sums: amx.load(sums, self.sums, place(a, b), 4 * self.width), blocks)
        with T.serial(steps) as step:
            for half in (0, 1):
                weights = [half * amx.SIDE, step * amx.DEPTH]
                amx.load(amx.LEFT + half, self.weights, weights, 2 * self.keys_count)
            for b in range(blocks):
                amx.load(amx.RIGHT + b, self.values, [step, block + b, 0, 0], amx.BYTES)
            _each_sum(lambda a, b, sums: amx.dot(sums, amx.LEFT + a, amx.RIGHT + b), blocks)
        _each_sum(lambda a, b, sums: amx.store(sums, self.sums, place(a, b), 4 * self.width), blocks)


def paired(low: Vector, high: Vector) -> Vector:
    """Sixteen pairs of bfloat16, as int32: the row of a right tile of two neighboring inputs, rounded to nearest."""
    bits = [T.reinterpret("int32x16", each) + fill(T.int32(_ROUND)) for each in (low, high)]
    kept = T.bitwise_and(bits[1], fill(T.int32(_HIGH)))
    moved = T.bitwise_and(bits[0] >> fill(T.int32(16)), fill(T.int32(0xFFFF)))
    return T.bitwise_or(moved, kept)


def _each_sum(use: Callable[[int, int, int], None], blocks: int = 2) -> None:
    """Calls `use` (row tile, block, tile register) for each tile of sums."""
    for a in (0, 1):
        for b in range(blocks):
            use(a, b, amx.SUMS + 2 * a + b)
