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

Members = tuple[Any, list[tuple[Any, Any]]]
"""A tile's key-value head, and the query row and query head of each of its rows."""


@dataclass(frozen=True)
class Attention:
    """Shapes and settings of one attention.

    Attributes:
        H: Query heads.
        KH: Key and value heads; query head h reads head h // (H / KH).
        S: Query rows.
        D: Width of a query and a key.
        Dv: Width of a value.
        scale: Factor of the scores.
        window: Length of the sliding window, 0 for none.
        softcap: Scores become softcap · tanh(score / softcap), 0 for none.
    """

    H: int
    KH: int
    S: int
    D: int
    Dv: int
    scale: float
    window: int
    softcap: float

    @property
    def rows(self) -> int:
        """Query rows of a tile."""
        enough = max(1, self.H * self.S // _FEWEST_TILES)
        return piece_of(self._readers, min(_MOST_ROWS, enough))

    @property
    def tiles(self) -> int:
        """Tiles of a key-value head."""
        return self._readers // self.rows

    @property
    def _readers(self) -> int:
        return self.H // self.KH * self.S

    def members(self, i: Any) -> Members:
        """The key-value head of tile `i`, and the query row and head of each row of it, computed once."""
        readers = [i % self.tiles * self.rows + t for t in range(self.rows)]
        first = i // self.tiles * (self.H // self.KH)
        rows = [(hold(r % self.S, "int32", 1), hold(first + r // self.S, "int32", 1)) for r in readers]
        return hold(i // self.tiles, "int32", 1), rows


class State:
    """What a tile keeps on the stack: per row its place in the cache, running peak and total, and a block of scores."""

    def __init__(self, rows: int) -> None:
        self.places = T.alloc_buffer((rows,), "int32")
        self.peaks = T.alloc_buffer((rows,), "float32")
        self.totals = T.alloc_buffer((rows,), "float32")
        self.shrinks = T.alloc_buffer((rows,), "float32")
        self.scores = T.alloc_buffer((rows, _BLOCK), "float32")


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
    """(q f32[H,S,D], k f16[KH,C,D], v f16[KH,C,Dv], position i64[1], out f32[S,H,Dv]); `Attention` has the settings.

    Query row s, at place position + s, sees the cache rows up to its own place, at most the last `window` of them.
    """
    shape = Attention(H, KH, S, D, Dv, scale, window, softcap)
    all_vectors = Dv // lanes_of(Dv)
    vectors = piece_of(all_vectors, max(1, spec.accumulators // shape.rows))

    @T.prim_func(private=True)
    def attention(
        q: T.Buffer((H, S, D), "float32"),
        k: T.Buffer((KH, C, D), "float16"),
        v: T.Buffer((KH, C, Dv), "float16"),
        position: T.Buffer((1,), "int64"),
        out: T.Buffer((S, H, Dv), "float32"),
    ) -> None:
        for i in T.parallel(KH * shape.tiles):
            state = T.meta_var(State(shape.rows))
            members = T.meta_var(shape.members(i))
            ends = T.meta_var(start(shape, state, out, position, members))
            for block in range((ends[1] - ends[0]) // _BLOCK + 1):
                base: T.let = ends[0] + block * _BLOCK
                count: T.let = T.min(ends[1] - base + 1, _BLOCK)
                for j in range(count):
                    score(shape, state, q, k, members, base, j)
                for t in range(shape.rows):
                    soften(shape, state, t, base)
                for part in range(all_vectors // vectors):
                    mix = T.meta_var(accumulators(shape, vectors))
                    resume(shape, mix, state, out, members, part)
                    for j in range(count):
                        gather(shape, mix, state, v, members, part, base, j)
                    put_back(shape, mix, out, members, part)
            finish(shape, state, out, members)

    return attention


def start(shape: Attention, state: State, out: Any, position: Any, members: Members) -> tuple[Any, Any]:
    """Clears a tile's state and outputs; the first and the last cache row that any of its rows sees."""
    lanes = lanes_of(shape.Dv)
    before = hold(T.cast(position[0], "int32"), "int32", 1)
    first = last = before + members[1][0][0]
    for t, (row, head) in enumerate(members[1]):
        first, last = T.min(first, before + row), T.max(last, before + row)
        T.buffer_store(state.places, before + row, [t])
        T.buffer_store(state.peaks, T.float32(_LOWEST), [t])
        T.buffer_store(state.totals, T.float32(0), [t])
        with T.serial(shape.Dv // lanes) as d:
            T.buffer_store(out, zeros("float32", lanes), [row, head, span(d * lanes, lanes)])
    first = T.max(first - (shape.window - 1), 0) if shape.window else T.int32(0)
    return hold(first, "int32", 1), hold(last, "int32", 1)


def score(shape: Attention, state: State, q: Any, k: Any, members: Members, base: Any, j: Any) -> None:
    """The scores of cache row base + j for all rows of the tile, before the soft cap and the mask."""
    lanes, (head, rows) = lanes_of(shape.D), members
    dots = [T.alloc_buffer((lanes,), "float32") for _ in range(shape.rows)]
    for dot in dots:
        T.buffer_store(dot, zeros("float32", lanes), [span(0, lanes)])
    with T.serial(shape.D // lanes) as d:
        at = span(d * lanes, lanes)
        key = hold(T.cast(k[head, base + j, at], of("float32", lanes)), "float32", lanes)
        for (row, query_head), dot in zip(rows, dots, strict=True):
            product = q[query_head, row, at] * key
            T.buffer_store(dot, dot[span(0, lanes)] + product, [span(0, lanes)])
    for t, dot in enumerate(dots):
        total = fold(add, dot[span(0, lanes)], "float32", lanes)
        T.buffer_store(state.scores, total * T.float32(shape.scale), [t, j])


def soften(shape: Attention, state: State, t: Any, base: Any) -> None:
    """Turns a row's scores of a block into weights relative to its peak so far, and updates its peak and total."""
    scores, before = state.scores, state.peaks[t]
    parts = [span(part * LANES) for part in range(_BLOCK // LANES)]
    highest = fill(before)
    for part, at in enumerate(parts):
        T.buffer_store(scores, visible(shape, scores[t, at], state.places[t], base + part * LANES), [t, at])
        highest = hold(T.max(highest, scores[t, at]))
    peak = fold(T.max, highest)
    shrink = exp(before - peak)
    total = zeros()
    for at in parts:
        T.buffer_store(scores, exp(scores[t, at] - fill(peak), LANES), [t, at])
        total = hold(total + scores[t, at])
    T.buffer_store(state.totals, state.totals[t] * shrink + fold(add, total), [t])
    T.buffer_store(state.shrinks, shrink, [t])
    T.buffer_store(state.peaks, peak, [t])


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


def accumulators(shape: Attention, vectors: int) -> list[list[Any]]:
    """Stack buffers that LLVM keeps in registers, a row of vectors for each row of the tile."""
    lanes = lanes_of(shape.Dv)
    return [[T.alloc_buffer((lanes,), "float32") for _ in range(vectors)] for _ in range(shape.rows)]


def _places(shape: Attention, mix: Any, members: Members, part: Any) -> list[tuple[int, Any, list[Any]]]:
    """Row of the tile, stack buffer and index in `out` of each accumulator of a part."""
    lanes, vectors = lanes_of(shape.Dv), len(mix[0])
    at = [span((part * vectors + d) * lanes, lanes) for d in range(vectors)]
    return [(t, mix[t][d], [*member, at[d]]) for t, member in enumerate(members[1]) for d in range(vectors)]


def resume(shape: Attention, mix: Any, state: State, out: Any, members: Members, part: Any) -> None:
    """Loads a part of the sums so far, shrunk to the new peak."""
    lanes = lanes_of(shape.Dv)
    for t, accumulator, at in _places(shape, mix, members, part):
        T.buffer_store(accumulator, out[tuple(at)] * fill(state.shrinks[t], lanes), [span(0, lanes)])


def gather(shape: Attention, mix: Any, state: State, v: Any, members: Members, part: Any, base: Any, j: Any) -> None:
    """Adds the values of cache row base + j, weighted, for all rows of the tile."""
    lanes, vectors = lanes_of(shape.Dv), len(mix[0])
    at = [span((part * vectors + d) * lanes, lanes) for d in range(vectors)]
    values = [T.cast(v[members[0], base + j, each], of("float32", lanes)) for each in at]
    values = [hold(value, "float32", lanes) for value in values]
    for t in range(shape.rows):
        weight = hold(fill(state.scores[t, j], lanes), "float32", lanes)
        for d in range(vectors):
            T.buffer_store(mix[t][d], mix[t][d][span(0, lanes)] + weight * values[d], [span(0, lanes)])


def put_back(shape: Attention, mix: Any, out: Any, members: Members, part: Any) -> None:
    """Stores a part of the sums."""
    for _, accumulator, at in _places(shape, mix, members, part):
        T.buffer_store(out, accumulator[span(0, lanes_of(shape.Dv))], at)


def finish(shape: Attention, state: State, out: Any, members: Members) -> None:
    """Divides the weighted sums by the total of the weights."""
    lanes = lanes_of(shape.Dv)
    for t, (row, head) in enumerate(members[1]):
        factor = hold(fill(T.float32(1) / state.totals[t], lanes), "float32", lanes)
        with T.serial(shape.Dv // lanes) as d:
            at = span(d * lanes, lanes)
            T.buffer_store(out, out[row, head, at] * factor, [row, head, at])


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
