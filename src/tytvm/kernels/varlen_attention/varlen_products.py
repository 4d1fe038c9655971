"""The two products of varlen attention, of 32 queries with a block of keys: on AMX tiles, or on vectors."""

from collections.abc import Callable

from tvm.script import tirx as T

from tytvm.kernels.operands.packed_sequences import STEP, PackedSequences
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, chunk_size, fill, materialize, span, zeros
from tytvm.target import InstructionSet

BLOCK = 256
"""Keys of a block."""
_SIDES = (0, 1)


class VarlenTileProducts:
    """bfloat16 in tiles, summed in float32."""

    def __init__(
        self,
        spec: InstructionSet,
        shape: PackedSequences,
        packed: list[Buffer],
        heads: tuple[Scalar, Scalar],
        scores: Buffer,
        weights: Buffer | None,
        sums: Buffer,
    ) -> None:
        self.shape, (self.head, self.kv_head) = shape, heads
        self.queries, self.keys, self.values = packed
        self.scores, self.weights, self.sums = scores, weights, sums

    def score(self, query: Scalar, first: Scalar, steps: Scalar) -> None:
        """Scores with so many steps of 32 keys from position `first` on."""
        tile, key_tile = materialize(query // amx.SIDE, "int32", 1), materialize(first // LANES, "int32", 1)
        with T.serial(steps) as step:
            _each_sum(lambda a, b, sums: amx.clear(sums))
            for depth in range(self.shape.depth // amx.DEPTH):
                for side in _SIDES:
                    amx.load(amx.LEFT + side, self.queries, [self.head, tile + side, depth, 0, 0], amx.BYTES)
                    at = [self.kv_head, key_tile + step * 2 + side, depth * amx.SIDE, 0]
                    amx.load(amx.RIGHT + side, self.keys, at, amx.BYTES)
                _each_sum(lambda a, b, sums: amx.dot(sums, amx.LEFT + a, amx.RIGHT + b))

            def store(a: int, b: int, sums: int, step: Scalar = step) -> None:
                amx.store(sums, self.scores, [a * amx.SIDE, step * STEP + b * amx.SIDE], 4 * BLOCK)

            _each_sum(store)

    def gather(self, first: Scalar, steps: Scalar) -> None:
        """Adds those keys' values, weighted."""
        vectors = self.shape.width // LANES
        start = materialize(first // STEP, "int32", 1)
        for vector in range(0, vectors, 2):
            self._gather(start, vector, min(2, vectors - vector), steps)

    def _gather(self, start: Scalar, vector: int, count: int, steps: Scalar) -> None:
        def at(a: int, b: int) -> list[Scalar]:
            return [a * amx.SIDE, (vector + b) * LANES]

        _each_sum(lambda a, b, sums: amx.load(sums, self.sums, at(a, b), 4 * self.shape.width), count)
        with T.serial(steps) as step:
            for side in _SIDES:
                amx.load(amx.LEFT + side, self.weights, [side * amx.SIDE, step * STEP], 2 * BLOCK)
            for b in range(count):
                value = [self.kv_head, start + step, vector + b, 0, 0]
                amx.load(amx.RIGHT + b, self.values, value, amx.BYTES)
            _each_sum(lambda a, b, sums: amx.dot(sums, amx.LEFT + a, amx.RIGHT + b), count)
        _each_sum(lambda a, b, sums: amx.store(sums, self.sums, at(a, b), 4 * self.shape.width), count)


def _each_sum(use: Callable[[int, int, int], None], count: int = 2) -> None:
    """Calls `use` (row tile, block, tile register) for each tile of sums."""
    for a in _SIDES:
        for b in range(count):
            use(a, b, amx.SUMS + 2 * a + b)


class VarlenFloatProducts:
    """float32, with accumulators in registers; weights lie where the scores were."""

    def __init__(
        self,
        spec: InstructionSet,
        shape: PackedSequences,
        packed: list[Buffer],
        heads: tuple[Scalar, Scalar],
        scores: Buffer,
        weights: Buffer | None,
        sums: Buffer,
    ) -> None:
        self.shape, (self.head, self.kv_head) = shape, heads
        self.queries, self.keys, self.values = packed
        self.scores, self.sums = scores, sums
        self.rows = chunk_size(STEP, max(1, spec.accumulators // 2))
        self.vectors = chunk_size(shape.width // LANES, max(1, spec.accumulators // self.rows))

    def score(self, query: Scalar, first: Scalar, steps: Scalar) -> None:
        """Scores with so many steps of 32 keys from position `first` on."""
        tile = materialize(first // LANES, "int32", 1)
        with T.serial(steps) as step, T.serial(STEP // self.rows) as part:
            dots = [[_register() for _ in _SIDES] for _ in range(self.rows)]
            with T.serial(self.shape.D) as d:
                keys = [materialize(self.keys[self.kv_head, tile + step * 2 + side, d, span(0)]) for side in _SIDES]
                for i, row in enumerate(dots):
                    one = materialize(fill(self.queries[self.head, query + part * self.rows + i, d]))
                    _add_products(row, one, keys)
            for i, row in enumerate(dots):
                for side, dot in enumerate(row):
                    at = [part * self.rows + i, span(step * STEP + side * LANES)]
                    T.buffer_store(self.scores, dot[span(0)], at)

    def gather(self, first: Scalar, steps: Scalar) -> None:
        """Adds those keys' values, weighted."""
        count = self.shape.width // LANES // self.vectors
        with T.serial(STEP // self.rows) as part, T.serial(count) as group:
            at = [
                [[part * self.rows + i, span((group * self.vectors + n) * LANES)] for n in range(self.vectors)]
                for i in range(self.rows)
            ]
            mix = [[_register(self.sums[tuple(each)]) for each in row] for row in at]
            with T.serial(steps * STEP) as key:
                values = [
                    materialize(self.values[self.kv_head, first + key, span((group * self.vectors + n) * LANES)])
                    for n in range(self.vectors)
                ]
                for i, row in enumerate(mix):
                    _add_products(row, materialize(fill(self.scores[part * self.rows + i, key])), values)
            for row, places in zip(mix, at, strict=True):
                for each, place in zip(row, places, strict=True):
                    T.buffer_store(self.sums, each[span(0)], place)


def _add_products(sums: list[Buffer], one: Vector, vectors: list[Vector]) -> None:
    for each, vector in zip(sums, vectors, strict=True):
        T.buffer_store(each, each[span(0)] + one * vector, [span(0)])


def _register(value: Vector = None) -> Buffer:
    """A stack buffer that LLVM keeps in a register."""
    register = T.alloc_buffer((LANES,), "float32")
    T.buffer_store(register, zeros() if value is None else value, [span(0)])
    return register
