# mypy: disable-error-code="valid-type,untyped-decorator"
"""Causal grouped-query attention over a layer's cache: one pass over the context for many queries, in the flash manner.

Each task (attention_cut.py) takes its part of the context a block at a time; of a block each tile of its readers
computes scores, weights (softmax_block.py) and weighted sums (Dao et al. 2022, FlashAttention). Where the context is
cut, each part leaves its own sums, which attention_merge.py brings together (Flash-Decoding, Dao et al. 2023).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.attention import attention_amx
from tytvm.kernels.attention.attention_cut import Attention, Cut, Task
from tytvm.kernels.attention.attention_float import FloatProducts, FromCache, FromScratch
from tytvm.kernels.attention.attention_merge import finish, spans
from tytvm.kernels.attention.softmax_block import Softmax, clear
from tytvm.kernels.kernel import Kernel, KernelTarget, Kind, Specialization, symbol
from tytvm.kernels.operators import AttentionMerge
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, ceildiv, hold, span
from tytvm.target import InstructionSet

_ENOUGH_TASKS = 16
_FEW_ROWS = 16  # of a step: up to here the context is cut too
_FEW_READERS = 24  # up to here keys and values are used as they come, for converting a block first costs more
_GROUP = 224  # readers that share a block that was converted: more leave too few tasks, fewer convert too often
_FEW_KEYS, _MANY_KEYS, _TILED_KEYS = 64, 128, 256  # of a block; measured, see docs/log/attention.md


def cut_of(spec: InstructionSet, shape: Attention) -> Cut:
    """How an attention is cut for an instruction set."""
    tiled = spec.has_tiles and shape.coarse and shape.readers >= attention_amx.ROWS and shape.cache.D % LANES == 0
    groups = max(1, round(shape.readers / _GROUP))
    readers = ceildiv(shape.readers, groups)
    tiles = ceildiv(readers, attention_amx.ROWS if tiled else max(1, spec.accumulators // 2))
    rows = attention_amx.ROWS if tiled else ceildiv(readers, tiles)
    parts = ceildiv(_ENOUGH_TASKS, shape.cache.KH * groups) if shape.S <= _FEW_ROWS else 1
    keys = _TILED_KEYS if tiled else _FEW_KEYS if shape.readers <= _FEW_READERS else _MANY_KEYS
    return Cut(shape, rows, tiles, groups, parts, keys, tiled)


def own_buffers(cut: Cut) -> list[tuple[tuple[int, ...], str]]:
    """Shapes and types of what a kernel keeps for itself: queries, sums, peaks and totals."""
    if cut.tiled:
        queries = (cut.tasks, cut.tiles, cut.rows, attention_amx.packed_width(cut)), "uint16"
    else:
        queries = (cut.tasks, cut.tiles, cut.shape.cache.D, cut.rows), "float32"
    return [queries, (cut.sums, "float32"), (cut.peaks, "float32"), (cut.totals, "float32")]


def build(spec: InstructionSet, shape: Attention) -> Any:
    """(q f32[H,S,D], k, v, [k_scale, v_scale], position i64[1], [out f32[S,H,Dv]], queries, sums, peaks, totals).

    Query row s, at place position + s, sees the cache rows up to its own place, at most the last `window` of them.
    `out` is there where the context is not cut. The last four are the kernel's own (`own_buffers`); where the context
    is cut, `attention_merge` reads the last three.
    """
    cut, cache = cut_of(spec, shape), shape.cache

    @T.jit(private=True)
    def attention(
        q: T.Buffer((shape.H, shape.S, cache.D), "float32"),
        k: T.Buffer(cache.keys, cache.dtype),
        v: T.Buffer(cache.values, cache.dtype),
        k_scale: T.Optional(T.Buffer(cache.scales, "float32")),
        v_scale: T.Optional(T.Buffer(cache.scales, "float32")),
        position: T.Buffer((1,), "int64"),
        out: T.Optional(T.Buffer((shape.S, shape.H, cache.Dv), "float32")),
        queries: T.Buffer(*own_buffers(cut)[0]),
        sums: T.Buffer(cut.sums, "float32"),
        peaks: T.Buffer(cut.peaks, "float32"),
        totals: T.Buffer(cut.totals, "float32"),
    ) -> None:
        for i in T.parallel(cut.tasks):
            task = T.meta_var(Task(cut, i, position))
            products = T.meta_var(products_of(spec, FromCache(task, k, v, k_scale, v_scale), queries, sums))
            clear(sums, peaks, totals, task)
            attend(q, task, products, Softmax(task, products.scores, products.weights, sums, peaks, totals))
            if cut.parts == 1:
                finish_task(task, sums, totals, out)

    absent = {} if cache.dtype == "int8" else {"k_scale": None, "v_scale": None}
    return attention.specialize(**absent, **({} if cut.parts == 1 else {"out": None}))


def products_of(
    spec: InstructionSet, cache: FromCache, queries: Any, sums: Any
) -> FloatProducts | attention_amx.TileProducts:
    """What multiplies, and where it finds a block's keys and values."""
    cut = cache.task.cut
    if cut.tiled:
        return attention_amx.TileProducts(cache, queries, sums)
    scores = scratch((cut.rows, cut.keys), "float32")
    if cut.shape.readers <= _FEW_READERS:
        return FloatProducts(spec, cache, queries, scores, sums)
    memory = scratch((FromScratch.size(cut),), "float32", 4 * cut.rows * cut.keys)
    return FloatProducts(spec, FromScratch(cache, memory), queries, scores, sums)


def attend(q: Any, task: Task, products: Any, softmax: Softmax) -> None:
    """A task's work, if its part of the context has any rows yet."""
    with T.If(task.begin < task.end), T.Then():
        products.pack(q)
        pass_over(task, products, softmax)


def pass_over(task: Task, products: Any, softmax: Softmax) -> None:
    """A task's part of the context, a block at a time, for all of its tiles."""
    cut = task.cut
    if cut.tiled:
        amx.start()
    with T.serial(ceildiv(task.end - task.begin, cut.keys)) as block:
        base = hold(task.begin + block * cut.keys, "int32", 1)
        products.load(base)
        with T.serial(cut.tiles) as tile:
            low, high = task.bounds(tile)
            stop = hold(T.min(T.min(task.end, high + 1), base + cut.keys), "int32", 1)
            with T.If(T.And(base < stop, base + cut.keys > first_seen(task, low))), T.Then():
                products.score(tile, base, stop - base)
                softmax.apply(tile, base, low, high)
                products.gather(tile, base, stop - base)
    if cut.tiled:
        amx.end()


def first_seen(task: Task, place: Any) -> Any:
    """The first cache row that the query at a place sees."""
    window = task.cut.shape.window
    return place - (window - 1) if window else T.int32(0)


def finish_task(task: Task, sums: Any, totals: Any, out: Any) -> None:
    """Divides the sums of a task that saw all of the context by their totals."""
    with T.serial(task.cut.tiles) as tile, T.serial(task.cut.rows) as row:
        index = [task.number, hold(tile * task.cut.rows + row, "int32", 1)]
        head, s = task.query(tile, row)
        vectors = [hold(sums[(*index, each)]) for each in spans(task.cut)]
        finish(task.cut, vectors, totals[(*index, span(0))], out, s, head)


def reference(
    q: npt.NDArray[np.float32],
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    position: int,
    scale: float,
    window: int = 0,
    softcap: float = 0.0,
) -> npt.NDArray[np.float32]:
    """The same in NumPy, by the definition, in float64; k and v are [KH, C, D] and [KH, C, Dv]."""
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


def cost(shape: Attention, seen: int | None = None) -> Cost:
    """Operations and bytes when each query sees `seen` cache rows (default all); an exponential counts as 16."""
    cache, seen = shape.cache, shape.cache.C if seen is None else seen
    read = size("float32", shape.H, shape.S, cache.D) + cache.KH * seen * cache.row_bytes + size("int64", 1)
    operations = shape.H * shape.S * seen * (2 * cache.D + 2 * cache.Dv + 20)
    return Cost({"float32": operations}, read, size("float32", shape.S, shape.H, cache.Dv))


def accepts(target: KernelTarget, shape: Attention) -> Specialization:
    """Every shape; where the context is cut, the parts are merged by another kernel."""
    cut = cut_of(target.spec, shape)
    name = symbol("attention", shape.H, shape.S, shape.cache.D, shape.window)
    merge = AttentionMerge(cut) if cut.parts > 1 else None
    return Specialization(name, (shape,), workspace=tuple(own_buffers(cut)), followed_by=merge)


KERNEL = Kernel(Attention, accepts, build, cost, reference, Kind.ATTENTION)
