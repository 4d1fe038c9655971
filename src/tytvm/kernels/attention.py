# mypy: disable-error-code="valid-type,untyped-decorator"
"""Causal grouped-query attention over a float16 cache, with an online softmax (Milakov and Gimelshein, 2018).

Query rows that read the same key-value head are taken a few at a time (a tile), so that a cache row is loaded once for
all of them; cache rows 32 at a time (a block), so that a cache of any length needs the same small stack. Per query row
there are the block's scores, the running peak and the running total; the weighted sum of values grows in `out` itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.cost import Cost, size
from tytvm.kernels.exponential import exp
from tytvm.kernels.vector import LANES, add, fill, fold, hold, lanes_of, of, piece_of, span, zeros
from tytvm.target import InstructionSet

_BLOCK = 32
_MOST_ROWS = 7  # rows × 32 float32 scores stay under the 1024 bytes that TVM puts on the stack
_FEWEST_TILES = 4  # so that a die's workers have something to share
_LOWEST = -3.0e38  # a score that no query reaches


@dataclass(frozen=True)
class Attention:
    """Shapes and settings of one attention; see `build`."""

    H: int
    KH: int
    S: int
    D: int
    Dv: int
    scale: float
    window: int
    softcap: float

    @property
    def readers(self) -> int:
        """Query rows that read one key-value head."""
        return self.H // self.KH * self.S

    @property
    def rows(self) -> int:
        """Query rows of a tile."""
        enough = max(1, self.readers * self.KH // _FEWEST_TILES)
        return piece_of(self.readers, min(_MOST_ROWS, enough))

    @property
    def tiles(self) -> int:
        """Tiles of a key-value head."""
        return self.readers // self.rows

    def head(self, i: Any, t: Any) -> Any:
        """The query head of row `t` of tile `i`."""
        return i // self.tiles * (self.H // self.KH) + (i % self.tiles * self.rows + t) // self.S

    def row(self, i: Any, t: Any) -> Any:
        """The query row of row `t` of tile `i`."""
        return (i % self.tiles * self.rows + t) % self.S


def build(
    spec: InstructionSet,
    H: int,
    KH: int,
    S: int,
    D: int,
    Dv: int,
    C: int,
    scale: float,
    window: int = 0,
    softcap: float = 0.0,
) -> Any:
    """(q f32[H,S,D], k f16[KH,C,D], v f16[KH,C,Dv], position i64[1], out f32[S,H,Dv]).

    Query row s, at place position + s, sees the cache rows up to its own place, at most the last `window` of them.

    Args:
        spec: The CPU.
        H: Query heads.
        KH: Key and value heads; query head h reads head h // (H / KH).
        S: Query rows.
        D: Width of a query and a key.
        Dv: Width of a value.
        C: Rows of the cache.
        scale: Factor of the scores.
        window: Length of the sliding window, 0 for none.
        softcap: Scores become softcap · tanh(score / softcap), 0 for none.
    """
    shape = Attention(H, KH, S, D, Dv, scale, window, softcap)
    rows, lanes = shape.rows, lanes_of(Dv)
    vectors = piece_of(Dv // lanes, max(1, spec.accumulators // rows))

    @T.prim_func(private=True)
    def attention(
        q: T.Buffer((H, S, D), "float32"),
        k: T.Buffer((KH, C, D), "float16"),
        v: T.Buffer((KH, C, Dv), "float16"),
        position: T.Buffer((1,), "int64"),
        out: T.Buffer((S, H, Dv), "float32"),
    ) -> None:
        for i in T.parallel(KH * shape.tiles):
            peaks = T.alloc_buffer((rows,), "float32")
            totals = T.alloc_buffer((rows,), "float32")
            shrinks = T.alloc_buffer((rows,), "float32")
            places = T.alloc_buffer((rows,), "int32")
            scores = T.alloc_buffer((rows, _BLOCK), "float32")
            for t in range(rows):
                places[t] = T.cast(position[0], "int32") + shape.row(i, t)
                peaks[t] = T.float32(_LOWEST)
                totals[t] = T.float32(0)
                for d in range(Dv // lanes):
                    out[shape.row(i, t), shape.head(i, t), span(d * lanes, lanes)] = zeros("float32", lanes)
            first = T.alloc_scalar("int32")
            last = T.alloc_scalar("int32")
            first = places[0]
            last = places[0]
            for t in range(rows):
                first = T.min(first, places[t])
                last = T.max(last, places[t])
            first = T.max(first - (window - 1), 0) if window > 0 else T.int32(0)
            for block in range((last - first) // _BLOCK + 1):
                base: T.let = first + block * _BLOCK
                count: T.let = T.min(last - base + 1, _BLOCK)
                for j in range(count):
                    score(shape, scores, q, k, i, base, j)
                for t in range(rows):
                    soften(shape, scores, peaks, totals, shrinks, places[t], t, base)
                for part in range(Dv // lanes // vectors):
                    mix = T.meta_var(accumulators(rows, vectors, lanes))
                    resume(shape, mix, out, shrinks, i, part)
                    for j in range(count):
                        gather(shape, mix, scores, v, i, part, base, j)
                    put_back(shape, mix, out, i, part)
            for t in range(rows):
                for d in range(Dv // lanes):
                    at: T.let = span(d * lanes, lanes)
                    row: T.let = shape.row(i, t)
                    head: T.let = shape.head(i, t)
                    out[row, head, at] = out[row, head, at] / fill(totals[t], lanes)

    return attention


def score(shape: Attention, scores: Any, q: Any, k: Any, i: Any, base: Any, j: Any) -> None:
    """The scores of cache row base + j for all rows of the tile, before the soft cap and the mask."""
    lanes = lanes_of(shape.D)
    dots = [T.alloc_buffer((lanes,), "float32") for _ in range(shape.rows)]
    for dot in dots:
        T.buffer_store(dot, zeros("float32", lanes), [span(0, lanes)])
    with T.serial(shape.D // lanes) as d:
        at = span(d * lanes, lanes)
        key = hold(T.cast(k[i // shape.tiles, base + j, at], of("float32", lanes)), "float32", lanes)
        for t, dot in enumerate(dots):
            product = q[shape.head(i, t), shape.row(i, t), at] * key
            T.buffer_store(dot, dot[span(0, lanes)] + product, [span(0, lanes)])
    for t, dot in enumerate(dots):
        total = fold(add, dot[span(0, lanes)], "float32", lanes)
        T.buffer_store(scores, total * T.float32(shape.scale), [t, j])


def soften(shape: Attention, scores: Any, peaks: Any, totals: Any, shrinks: Any, place: Any, t: Any, base: Any) -> None:
    """Turns a row's scores of a block into weights relative to its peak so far, and updates its peak and total."""
    highest = fill(peaks[t])
    parts = [span(part * LANES) for part in range(_BLOCK // LANES)]
    for part, at in enumerate(parts):
        T.buffer_store(scores, visible(shape, scores[t, at], place, base + part * LANES), [t, at])
        highest = hold(T.max(highest, scores[t, at]))
    peak = fold(T.max, highest)
    shrink = exp(peaks[t] - peak)
    total = zeros()
    for at in parts:
        weight = exp(scores[t, at] - fill(peak), LANES)
        T.buffer_store(scores, weight, [t, at])
        total = hold(total + weight)
    T.buffer_store(totals, totals[t] * shrink + fold(add, total), [t])
    T.buffer_store(shrinks, shrink, [t])
    T.buffer_store(peaks, peak, [t])


def visible(shape: Attention, scores: Any, place: Any, row: Any) -> Any:
    """Sixteen scores from cache row `row` on, capped, and lowest where the query at `place` does not see the row."""
    if shape.softcap:
        # tanh(x) = 1 - 2 / (exp(2x) + 1)
        grown = exp(scores * fill(T.float32(2 / shape.softcap)), LANES)
        below = fill(T.float32(2 * shape.softcap)) / (grown + fill(T.float32(1)))
        scores = hold(fill(T.float32(shape.softcap)) - below)
    rows = fill(row) + T.ramp(0, 1, LANES)
    seen = rows <= fill(place)
    if shape.window:
        seen = T.And(seen, rows > fill(place - shape.window))
    return T.Select(seen, scores, fill(T.float32(_LOWEST)))


def accumulators(rows: int, vectors: int, lanes: int) -> list[list[Any]]:
    """Stack buffers that LLVM keeps in registers, a row of vectors for each row of the tile."""
    return [[T.alloc_buffer((lanes,), "float32") for _ in range(vectors)] for _ in range(rows)]


def _parts(shape: Attention, mix: Any, part: Any) -> list[tuple[int, int, Any]]:
    """Row, vector and index in `out` or `v` of each accumulator of `mix`."""
    lanes, vectors = lanes_of(shape.Dv), len(mix[0])
    return [(t, d, span((part * vectors + d) * lanes, lanes)) for t in range(shape.rows) for d in range(vectors)]


def resume(shape: Attention, mix: Any, out: Any, shrinks: Any, i: Any, part: Any) -> None:
    """Loads a part of the sums so far, shrunk to the new peak."""
    lanes = lanes_of(shape.Dv)
    for t, d, at in _parts(shape, mix, part):
        so_far = out[shape.row(i, t), shape.head(i, t), at] * fill(shrinks[t], lanes)
        T.buffer_store(mix[t][d], so_far, [span(0, lanes)])


def gather(shape: Attention, mix: Any, scores: Any, v: Any, i: Any, part: Any, base: Any, j: Any) -> None:
    """Adds the values of cache row base + j, weighted, for all rows of the tile."""
    lanes, vectors = lanes_of(shape.Dv), len(mix[0])
    at = [span((part * vectors + d) * lanes, lanes) for d in range(vectors)]
    values = [T.cast(v[i // shape.tiles, base + j, each], of("float32", lanes)) for each in at]
    values = [hold(value, "float32", lanes) for value in values]
    for t in range(shape.rows):
        weight = hold(fill(scores[t, j], lanes), "float32", lanes)
        for d in range(vectors):
            T.buffer_store(mix[t][d], mix[t][d][span(0, lanes)] + weight * values[d], [span(0, lanes)])


def put_back(shape: Attention, mix: Any, out: Any, i: Any, part: Any) -> None:
    """Stores a part of the sums."""
    for t, d, at in _parts(shape, mix, part):
        T.buffer_store(out, mix[t][d][span(0, lanes_of(shape.Dv))], [shape.row(i, t), shape.head(i, t), at])


def reference(
    q: npt.NDArray[np.float32],
    k: npt.NDArray[np.float16],
    v: npt.NDArray[np.float16],
    position: int,
    scale: float,
    window: int = 0,
    softcap: float = 0.0,
) -> npt.NDArray[np.float32]:
    """The same in NumPy, by the definition, in float64."""
    (H, S, _), (KH, C, _) = q.shape, k.shape
    keys, values = (np.repeat(cache.astype(np.float64), H // KH, axis=0) for cache in (k, v))
    scores = np.einsum("hsd,hcd->hsc", q.astype(np.float64), keys) * scale
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    place, row = position + np.arange(S)[:, None], np.arange(C)
    seen = (row <= place) & ((row > place - window) if window else True)
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.asarray(np.einsum("hsc,hcd->shd", weights, values), np.float32)


def cost(H: int, KH: int, S: int, D: int, Dv: int, seen: int) -> Cost:
    """Operations and bytes when each query sees `seen` cache rows; an exponential counts as 16."""
    read = size("float32", H, S, D) + size("float16", KH, seen, D + Dv) + size("int64", 1)
    return Cost({"float32": H * S * seen * (2 * D + 2 * Dv + 20)}, read, size("float32", S, H, Dv))
