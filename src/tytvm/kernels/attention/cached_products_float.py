"""Attention's two products in float32: scores of a tile of queries with a block of keys, and sums of its values.

A key's vector holds one input of sixteen keys, so a score needs no sum over lanes. For few query rows keys and
values are read from the cache as they are; for many a block is first made float32, once for all tiles.
"""

from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.operands.attention_tiling import AttentionTask, AttentionTiling
from tytvm.kernels.operands.kv_cache import floats, scale_of
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, ceildiv, chunk_size, fill, materialize, prefetch, span, zeros
from tytvm.target import InstructionSet

_PREFETCH_BYTES = 8192  # bytes of the cache between a use and the prefetch beside it
_LEVEL = 2  # of the processor's caches to prefetch to: more reads can be under way than into the first
_LINE = 64


class FromCache:
    """Keys and values straight from the cache, which is prefetched."""

    def __init__(
        self, task: AttentionTask, k: Buffer, v: Buffer, k_scale: Buffer | None, v_scale: Buffer | None
    ) -> None:
        self.task, self.k, self.v, self.k_scale, self.v_scale = task, k, v, k_scale, v_scale

    def load(self, base: Scalar) -> None:
        """Nothing to prepare."""

    def key_tile(self, base: Scalar, number: Scalar) -> tuple[Scalar, Vector | None]:
        """The tile's number in the cache, and its scales f32x16; `key` takes them."""
        tile = materialize(T.min(base // LANES + number, self.task.tiling.shape.cache.tiles - 1), "int32", 1)
        return tile, None if self.k_scale is None else scale_of(self.k_scale, self.task.head, tile)

    def key(self, tile: tuple[Scalar, Vector | None], d: Scalar) -> Vector:
        """Input `d` of the tile's sixteen keys."""
        codes = floats(self.k, [self.task.head, tile[0], d, 0])
        return codes if tile[1] is None else materialize(codes * tile[1])

    def prefetch_keys(self, tile: tuple[Scalar, Vector | None], d: Scalar) -> None:
        """Prefetches the keys that come next; `d` is the first input of a cache line."""
        prefetch(self.k, [self.task.head, tile[0], d, 0], _PREFETCH_BYTES, _LEVEL)

    def value(self, base: Scalar, j: Scalar, vectors: list[Scalar]) -> list[Vector]:
        """Vectors of the value of cache row base + j."""
        row = base + j
        values = [floats(self.v, [self.task.head, row, vector * LANES]) for vector in vectors]
        for vector in vectors[:: max(1, _LINE // LANES // _bytes(self.v))]:
            prefetch(self.v, [self.task.head, row, vector * LANES], _PREFETCH_BYTES, _LEVEL)
        if self.v_scale is None:
            return values
        scale = materialize(fill(self.v_scale[self.task.head, row // LANES, row % LANES]))
        return [materialize(value * scale) for value in values]


class FromScratch:
    """A block's keys [tiles, D, 16] and values [keys, W], made float32 in the thread's memory."""

    def __init__(self, cache: FromCache, memory: Buffer) -> None:
        self.cache, self.task, self.memory = cache, cache.task, memory
        shape = self.task.tiling.shape.cache
        self.width, self.v_width = shape.D, shape.values[2]
        self.keys, self.values = 0, self.task.tiling.keys * self.width

    @staticmethod
    def size(tiling: AttentionTiling) -> int:
        """The number of floats that a block takes."""
        return tiling.keys * (tiling.shape.cache.D + tiling.shape.cache.values[2])

    def load(self, base: Scalar) -> None:
        """Converts the block, up to the last cache row that the task reads."""
        count = materialize(T.min(self.task.end - base, self.task.tiling.keys), "int32", 1)
        with T.serial(ceildiv(count, LANES)) as number:
            tile = self.cache.key_tile(base, number)
            with T.serial(self.width) as d:
                at = self.keys + (number * self.width + d) * LANES
                T.buffer_store(self.memory, self.cache.key(tile, d), [span(at)])
        with T.serial(count) as j, T.serial(self.v_width // LANES) as vector:
            at = self.values + j * self.v_width + vector * LANES
            T.buffer_store(self.memory, self.cache.value(base, j, [vector])[0], [span(at)])

    def key_tile(self, base: Scalar, number: Scalar) -> Scalar:
        """Where the tile begins in scratch memory; `key` takes it."""
        return materialize(self.keys + number * (self.width * LANES), "int32", 1)

    def key(self, tile: Scalar, d: Scalar) -> Vector:
        """Input `d` of the tile's sixteen keys."""
        return materialize(self.memory[span(tile + d * LANES)])

    def prefetch_keys(self, tile: Scalar, d: Scalar) -> None:
        """Nothing to prefetch: scratch memory is in the cache."""

    def value(self, base: Scalar, j: Scalar, vectors: list[Scalar]) -> list[Vector]:
        """Vectors of the value of cache row base + j."""
        return [materialize(self.memory[span(self.values + j * self.v_width + vector * LANES)]) for vector in vectors]


class CachedFloatProducts:
    """Both products of a tile, with accumulators in registers."""

    weights = None
    """Weights take the place of scores."""

    def __init__(
        self, spec: InstructionSet, source: FromCache | FromScratch, packed: Buffer, scores: Buffer, sums: Buffer
    ) -> None:
        self.task, self.source, self.packed, self.scores, self.sums = source.task, source, packed, scores, sums
        rows, vectors = self.task.tiling.rows, self.task.tiling.shape.cache.values[2] // LANES
        self.across = chunk_size(self.task.tiling.keys // LANES, min(4, max(1, spec.accumulators // rows)))
        self.vectors = chunk_size(vectors, max(1, spec.accumulators // rows))

    def pack(self, q: Buffer) -> None:
        """Queries [tile, D, row], times the scores' factor, so that a step of the product reads neighbors."""
        tiling = self.task.tiling
        with T.serial(tiling.tiles) as tile, T.serial(tiling.rows) as row:
            head, s = (materialize(each, "int32", 1) for each in self.task.query(tile, row))
            with T.serial(tiling.shape.cache.D) as d:
                value = q[head, s, d] * T.float32(tiling.shape.factor)
                T.buffer_store(self.packed, value, [self.task.number, tile, d, row])

    def load(self, base: Scalar) -> None:
        """Prepares the block that begins at a cache row."""
        self.source.load(base)

    def score(self, tile: Scalar, base: Scalar, count: Scalar) -> None:
        """Scores of a tile with the block's first `count` keys (or some more)."""
        rows, width = self.task.tiling.rows, self.task.tiling.shape.cache.D
        unroll = 2 if width % 2 == 0 else 1
        with T.serial(ceildiv(count, self.across * LANES)) as step:
            tiles = [self.source.key_tile(base, step * self.across + a) for a in range(self.across)]
            dots = [[_register() for _ in tiles] for _ in range(rows)]
            with T.serial(width // unroll) as d:
                for each in tiles:
                    self.source.prefetch_keys(each, d * unroll)
                for u in range(unroll):
                    self._multiply(tile, tiles, dots, d * unroll + u)
            for row, each in enumerate(dots):
                for a, dot in enumerate(each):
                    T.buffer_store(self.scores, dot[span(0)], [row, span((step * self.across + a) * LANES)])

    def _multiply(self, tile: Scalar, tiles: list[Any], dots: list[list[Buffer]], d: Scalar) -> None:
        keys = [self.source.key(each, d) for each in tiles]
        for row, each in enumerate(dots):
            query = materialize(fill(self.packed[self.task.number, tile, d, row]))
            for dot, key in zip(each, keys, strict=True):
                T.buffer_store(dot, dot[span(0)] + query * key, [span(0)])

    def gather(self, tile: Scalar, base: Scalar, count: Scalar) -> None:
        """Adds the values of the block's first `count` rows, weighted."""
        rows, width = self.task.tiling.rows, self.task.tiling.shape.cache.values[2]
        with T.serial(width // LANES // self.vectors) as group:
            vectors = [group * self.vectors + n for n in range(self.vectors)]
            at = [[[self.task.number, tile * rows + r, span(n * LANES)] for n in vectors] for r in range(rows)]
            mix = [[_register(self.sums[tuple(each)]) for each in row] for row in at]
            with T.serial(count) as j:
                values = self.source.value(base, j, vectors)
                for r in range(rows):
                    weight = materialize(fill(self.scores[r, j]))
                    for each, value in zip(mix[r], values, strict=True):
                        T.buffer_store(each, each[span(0)] + weight * value, [span(0)])
            for row, places in zip(mix, at, strict=True):
                for each, place in zip(row, places, strict=True):
                    T.buffer_store(self.sums, each[span(0)], place)


def _register(value: Vector = None) -> Buffer:
    """A stack buffer that LLVM keeps in a register."""
    register = T.alloc_buffer((LANES,), "float32")
    T.buffer_store(register, zeros() if value is None else value, [span(0)])
    return register


def _bytes(cache: Buffer) -> int:
    return 1 if str(cache.dtype) == "int8" else 2
