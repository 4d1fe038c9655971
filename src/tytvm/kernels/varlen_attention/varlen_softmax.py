"""The online softmax of 32 queries: a block of scores becomes weights; its row maximum is lazy as causal_softmax's."""

from tvm.script import tirx as T

from tytvm.kernels.attention.causal_softmax import LOWEST
from tytvm.kernels.operands.packed_sequences import STEP, PackedSequences
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.exponential import exp2
from tytvm.kernels.primitives.expressions import Buffer, Scalar
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, add, fill, horizontal_reduce, materialize, span

_LEAP = 8.0  # times in which a score is twice as heavy as the row maximum before it takes its place


class VarlenSoftmax:
    """Turns scores f32[32, block] into weights, in their place or elsewhere as bfloat16; keeps the denominators."""

    def __init__(
        self, shape: PackedSequences, scores: Buffer, weights: Buffer | None, sums: Buffer, start: int
    ) -> None:
        self.shape, self.scores, self.weights, self.sums = shape, scores, weights, sums
        self.row_max = scratch((STEP,), "float32", start)
        self.denominators = scratch((STEP, LANES), "float32", start + 4 * STEP)

    def clear(self) -> None:
        """No key was seen yet."""
        with T.serial(STEP) as row:
            T.buffer_store(self.row_max, T.float32(LOWEST), [row])
            T.buffer_store(self.denominators, fill(T.float32(0)), [row, span(0)])
            with T.serial(self.shape.width // LANES) as vector:
                T.buffer_store(self.sums, fill(T.float32(0)), [row, span(vector * LANES)])

    def apply(self, count: Scalar, steps: Scalar) -> None:
        """All rows of a block of `count` keys, in so many steps of 32."""
        with T.If(count % STEP != 0), T.Then():
            self._mask(count, steps)
        with T.serial(STEP) as row:
            self._raise_row_max(row, self._row_max(row, steps))
            self._exponentiate(row, steps)

    def _mask(self, count: Scalar, steps: Scalar) -> None:
        """Lowest scores for what no token is at."""
        with T.serial(STEP) as row, T.serial(2) as half:
            start = materialize((steps - 1) * STEP + half * LANES, "int32", 1)
            seen = fill(start) + T.ramp(0, 1, LANES) < fill(count)
            score = T.Select(seen, self.scores[row, span(start)], fill(T.float32(LOWEST)))
            T.buffer_store(self.scores, score, [row, span(start)])

    def _row_max(self, row: Scalar, steps: Scalar) -> Scalar:
        tops = [T.alloc_buffer((LANES,), "float32") for _ in range(2)]
        for top in tops:
            T.buffer_store(top, fill(T.float32(LOWEST)), [span(0)])
        with T.serial(steps) as step:
            for half, top in enumerate(tops):
                score = self.scores[row, span(step * STEP + half * LANES)]
                T.buffer_store(top, T.max(top[span(0)], score), [span(0)])
        return horizontal_reduce(T.max, materialize(T.max(tops[0][span(0)], tops[1][span(0)])))

    def _exponentiate(self, row: Scalar, steps: Scalar) -> None:
        highest_score = materialize(fill(self.row_max[row]))
        total = T.alloc_buffer((LANES,), "float32")
        T.buffer_store(total, self.denominators[row, span(0)], [span(0)])
        with T.serial(steps) as step:
            at = [step * STEP + half * LANES for half in (0, 1)]
            coarse = self.weights is not None
            two = [exp2(self.scores[row, span(each)] - highest_score, LANES, coarse) for each in at]
            T.buffer_store(total, total[span(0)] + materialize(two[0] + two[1]), [span(0)])
            if coarse:
                T.buffer_store(self.weights, amx.bfloat16(*two), [row, span(step * STEP, STEP)])
            else:
                for each, weight in zip(at, two, strict=True):
                    T.buffer_store(self.scores, weight, [row, span(each)])
        T.buffer_store(self.denominators, total[span(0)], [row, span(0)])

    def _raise_row_max(self, row: Scalar, top: Scalar) -> None:
        """Makes `top` the row's maximum if it is far above, and rescales its denominators and sums."""
        with T.If(top > self.row_max[row] + T.float32(_LEAP)), T.Then():
            shrink = materialize(fill(exp2(self.row_max[row] - top)))
            T.buffer_store(self.row_max, top, [row])
            T.buffer_store(self.denominators, self.denominators[row, span(0)] * shrink, [row, span(0)])
            with T.serial(self.shape.width // LANES) as vector:
                at = [row, span(vector * LANES)]
                T.buffer_store(self.sums, self.sums[tuple(at)] * shrink, at)

    def inverse(self, row: Scalar) -> Scalar:
        """The factor f32 of a row's finished sums: 1 / its softmax denominator."""
        return materialize(T.float32(1) / horizontal_reduce(add, self.denominators[row, span(0)]), "float32", 1)
