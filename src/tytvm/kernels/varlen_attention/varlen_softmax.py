"""The online softmax of 32 queries: a block of scores becomes weights; the peak moves in leaps, as in softmax_block."""

from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.attention.softmax_block import LOWEST
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.exponential import exp2
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, add, fill, fold, hold, span
from tytvm.kernels.varlen_attention.packed_sequences import STEP, Segments

_LEAP = 8.0  # times in which a score is twice as heavy as the peak before it becomes the peak


class Softmax:
    """Turns scores [32, block] into weights, which take their place or go to a buffer as bfloat16; keeps the totals."""

    def __init__(self, shape: Segments, scores: Any, weights: Any, sums: Any, start: int) -> None:
        self.shape, self.scores, self.weights, self.sums = shape, scores, weights, sums
        self.peaks = scratch((STEP,), "float32", start)
        self.totals = scratch((STEP, LANES), "float32", start + 4 * STEP)

    def clear(self) -> None:
        """No key was seen yet."""
        with T.serial(STEP) as row:
            T.buffer_store(self.peaks, T.float32(LOWEST), [row])
            T.buffer_store(self.totals, fill(T.float32(0)), [row, span(0)])
            with T.serial(self.shape.width // LANES) as vector:
                T.buffer_store(self.sums, fill(T.float32(0)), [row, span(vector * LANES)])

    def apply(self, count: Any, steps: Any) -> None:
        """All rows of a block of `count` keys, in so many steps of 32."""
        with T.If(count % STEP != 0), T.Then():
            self._hide(count, steps)
        with T.serial(STEP) as row:
            self._raise(row, self._highest(row, steps))
            self._weigh(row, steps)

    def _hide(self, count: Any, steps: Any) -> None:
        """Lowest scores for what no token is at."""
        with T.serial(STEP) as row, T.serial(2) as half:
            start = hold((steps - 1) * STEP + half * LANES, "int32", 1)
            seen = fill(start) + T.ramp(0, 1, LANES) < fill(count)
            score = T.Select(seen, self.scores[row, span(start)], fill(T.float32(LOWEST)))
            T.buffer_store(self.scores, score, [row, span(start)])

    def _highest(self, row: Any, steps: Any) -> Any:
        tops = [T.alloc_buffer((LANES,), "float32") for _ in range(2)]
        for top in tops:
            T.buffer_store(top, fill(T.float32(LOWEST)), [span(0)])
        with T.serial(steps) as step:
            for half, top in enumerate(tops):
                score = self.scores[row, span(step * STEP + half * LANES)]
                T.buffer_store(top, T.max(top[span(0)], score), [span(0)])
        return fold(T.max, hold(T.max(tops[0][span(0)], tops[1][span(0)])))

    def _weigh(self, row: Any, steps: Any) -> None:
        peak = hold(fill(self.peaks[row]))
        total = T.alloc_buffer((LANES,), "float32")
        T.buffer_store(total, self.totals[row, span(0)], [span(0)])
        with T.serial(steps) as step:
            at = [step * STEP + half * LANES for half in (0, 1)]
            coarse = self.weights is not None
            two = [exp2(self.scores[row, span(each)] - peak, LANES, coarse) for each in at]
            T.buffer_store(total, total[span(0)] + hold(two[0] + two[1]), [span(0)])
            if coarse:
                T.buffer_store(self.weights, amx.bfloat16(*two), [row, span(step * STEP, STEP)])
            else:
                for each, weight in zip(at, two, strict=True):
                    T.buffer_store(self.scores, weight, [row, span(each)])
        T.buffer_store(self.totals, total[span(0)], [row, span(0)])

    def _raise(self, row: Any, top: Any) -> None:
        """Makes `top` the row's peak if it is far above, and its total and sums relative to it."""
        with T.If(top > self.peaks[row] + T.float32(_LEAP)), T.Then():
            shrink = hold(fill(exp2(self.peaks[row] - top)))
            T.buffer_store(self.peaks, top, [row])
            T.buffer_store(self.totals, self.totals[row, span(0)] * shrink, [row, span(0)])
            with T.serial(self.shape.width // LANES) as vector:
                at = [row, span(vector * LANES)]
                T.buffer_store(self.sums, self.sums[tuple(at)] * shrink, at)

    def inverse(self, row: Any) -> Any:
        """What the sums of a row are to be multiplied by in the end."""
        return hold(T.float32(1) / fold(add, self.totals[row, span(0)]), "float32", 1)
