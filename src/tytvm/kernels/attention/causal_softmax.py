"""A block of scores becomes weights: an online softmax (Milakov and Gimelshein, 2018) with a lazy row maximum.

Weights are relative to a row maximum that only a score 2^8 times heavier raises: until then sums need no rescaling.
"""

from tvm.script import tirx as T

from tytvm.kernels.operands.attention_tiling import Attention, AttentionTask
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.exponential import LOG2_E, exp2
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, fill, horizontal_reduce, materialize, span

LOWEST = -3.0e38  # a score that no query reaches
_LEAP = 8.0
_SATURATED = 100.0  # from here on tanh is 1


def clear(sums: Buffer, row_max: Buffer, denominators: Buffer, task: AttentionTask) -> None:
    """No cache row was seen yet."""
    with T.serial(task.tiling.sums[1]) as row:
        T.buffer_store(row_max, T.float32(LOWEST), [task.number, row])
        T.buffer_store(denominators, fill(T.float32(0)), [task.number, row, span(0)])
        with T.serial(task.tiling.sums[2] // LANES) as vector:
            T.buffer_store(sums, fill(T.float32(0)), [task.number, row, span(vector * LANES)])


class CausalSoftmax:
    """Turns the scores [rows, keys] of a tile into weights, and keeps row maxima, denominators and sums.

    Weights take the place of the scores or, if there is a buffer for them, go there as bfloat16.
    """

    def __init__(
        self,
        task: AttentionTask,
        scores: Buffer,
        weights: Buffer | None,
        sums: Buffer,
        row_max: Buffer,
        denominators: Buffer,
        slopes: Buffer | None = None,
    ) -> None:
        self.task, self.scores, self.weights, self.coarse = task, scores, weights, weights is not None
        self.sums, self.row_max, self.denominators, self.slopes = sums, row_max, denominators, slopes

    def apply(self, tile: Scalar, base: Scalar, low: Scalar, high: Scalar) -> None:
        """All rows of a tile, whose places are from `low` to `high`; `base` is the block's first cache row."""
        shape, stop = self.task.tiling.shape, base + self.task.tiling.keys
        all_seen = T.And(stop <= low + 1, stop <= self.task.end)
        if not shape.sees_all:
            all_seen = T.And(all_seen, base >= shape.first_seen(high))
        with T.If(all_seen):
            with T.Then(), T.serial(self.task.tiling.rows) as row:
                self._row(tile, row, base, all_seen=True)
            with T.Else(), T.serial(self.task.tiling.rows) as row:
                self._row(tile, row, base, all_seen=False)

    def _row(self, tile: Scalar, row: Scalar, base: Scalar, *, all_seen: bool) -> None:
        """One row, which may see all cache rows of the block."""
        task, tiling = self.task, self.task.tiling
        at = [span(vector * LANES) for vector in range(tiling.keys // LANES)]
        scores = [capped(tiling.shape, materialize(self.scores[row, each])) for each in at]
        place = None if all_seen and self.slopes is None else materialize(task.place(tile, row), "int32", 1)
        if self.slopes is not None:
            slope = materialize(self.slopes[task.query(tile, row)[0]] * T.float32(LOG2_E), "float32", 1)
            scores = [fallen(each, slope, place, base + n * LANES) for n, each in enumerate(scores)]
        if not all_seen:
            scores = [visible(task, each, place, base + n * LANES) for n, each in enumerate(scores)]
        index = [task.number, materialize(tile * tiling.rows + row, "int32", 1)]
        self._raise_row_max(index, horizontal_reduce(T.max, highest(scores)))
        highest_score = materialize(fill(self.row_max[tuple(index)]))
        weights = [exp2(each - highest_score, LANES, self.coarse) for each in scores]
        total = self.denominators[(*index, span(0))]
        for weight in weights:
            total = materialize(total + weight)
        T.buffer_store(self.denominators, total, [*index, span(0)])
        self._keep(row, weights)

    def _keep(self, row: Scalar, weights: list[Vector]) -> None:
        if self.weights is None:
            for number, weight in enumerate(weights):
                T.buffer_store(self.scores, weight, [row, span(number * LANES)])
            return
        for number in range(0, len(weights), 2):
            two = amx.bfloat16(*weights[number : number + 2])
            T.buffer_store(self.weights, two, [row, span(number * LANES, 2 * LANES)])

    def _raise_row_max(self, index: list[Scalar], top: Scalar) -> None:
        """Makes `top` the row's maximum if it is far above, and rescales its denominators and sums."""
        with T.If(top > self.row_max[tuple(index)] + T.float32(_LEAP)), T.Then():
            shrink = materialize(fill(exp2(self.row_max[tuple(index)] - top)))
            T.buffer_store(self.row_max, top, index)
            T.buffer_store(self.denominators, self.denominators[(*index, span(0))] * shrink, [*index, span(0)])
            with T.serial(self.task.tiling.sums[2] // LANES) as vector:
                at = [*index, span(vector * LANES)]
                T.buffer_store(self.sums, self.sums[tuple(at)] * shrink, at)


def highest(vectors: list[Vector]) -> Vector:
    """The largest of each lane, by a tree, so that none waits long."""
    while len(vectors) > 1:
        pairs = zip(vectors[::2], vectors[1::2], strict=False)
        vectors = [materialize(T.max(a, b)) for a, b in pairs] + vectors[len(vectors) // 2 * 2 :]
    return vectors[0]


def capped(shape: Attention, scores: Buffer) -> Vector:
    """Scores after the soft cap, of which 2^score is the weight."""
    if not shape.softcap:
        return scores
    most = shape.softcap * LOG2_E
    grown = exp2(T.min(scores, fill(T.float32(_SATURATED))), LANES)
    return materialize(fill(T.float32(most)) - fill(T.float32(2 * most)) / (grown + fill(T.float32(1))))


def fallen(scores: Buffer, slope: Scalar, place: Scalar, row: Scalar) -> Vector:
    """Sixteen scores from cache row `row` on, less by the slope times their distance from the query at `place`."""
    distance = fill(place - row) - T.ramp(0, 1, LANES)
    return materialize(scores - fill(slope) * T.cast(distance, "float32x16"))


def visible(task: AttentionTask, scores: Buffer, place: Scalar, row: Scalar) -> Vector:
    """Sixteen scores from cache row `row` on, lowest where the query at `place` does not see it or a task must not."""
    rows = fill(row) + T.ramp(0, 1, LANES)
    seen = rows <= fill(T.min(place, task.end - 1))
    if not task.tiling.shape.sees_all:
        seen = T.And(seen, rows >= fill(task.tiling.shape.first_seen(place)))
    return materialize(T.Select(seen, scores, fill(T.float32(LOWEST))))
