# mypy: disable-error-code="valid-type,untyped-decorator"
"""Causal grouped-query attention over a layer's cache: one pass over the context for many queries, in the flash manner.

Each task (attention_tiling.py) takes its split of the context a block at a time; of a block each tile of its query rows
computes scores, weights (causal_softmax.py) and weighted sums (Dao et al. 2022, FlashAttention). Where the context is
split, each split leaves its own sums, which attention_merge.py merges (Flash-Decoding, Dao et al. 2023).
"""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.attention import cached_products_amx
from tytvm.kernels.attention.attention_merge import finish, spans
from tytvm.kernels.attention.cached_products_float import CachedFloatProducts, FromCache, FromScratch
from tytvm.kernels.attention.causal_softmax import CausalSoftmax, clear
from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.attention_tiling import Attention, AttentionTask, AttentionTiling
from tytvm.kernels.operators import AttentionMerge
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, ceildiv, materialize, span
from tytvm.target import InstructionSet

_ENOUGH_TASKS = 16
_FEW_ROWS = 16  # of a step: up to here the context is split too
_FEW_QUERY_ROWS = 24  # up to here keys and values are used as they come, for converting a block first costs more
_GROUP = 224  # query rows that share a block that was converted: more leave too few tasks, fewer convert too often
_FEW_KEYS, _MANY_KEYS, _TILED_KEYS = 64, 128, 256  # of a block; measured, see docs/log/attention.md


def tiling_of(spec: InstructionSet, shape: Attention) -> AttentionTiling:
    """How an attention is tiled for an instruction set."""
    tiled = (
        spec.has_tiles and shape.coarse and shape.query_rows >= cached_products_amx.ROWS and shape.cache.D % LANES == 0
    )
    groups = max(1, round(shape.query_rows / _GROUP))
    query_rows = ceildiv(shape.query_rows, groups)
    tiles = ceildiv(query_rows, cached_products_amx.ROWS if tiled else max(1, spec.accumulators // 2))
    rows = cached_products_amx.ROWS if tiled else ceildiv(query_rows, tiles)
    splits = ceildiv(_ENOUGH_TASKS, shape.cache.KH * groups) if shape.S <= _FEW_ROWS else 1
    keys = _TILED_KEYS if tiled else _FEW_KEYS if shape.query_rows <= _FEW_QUERY_ROWS else _MANY_KEYS
    return AttentionTiling(shape, rows, tiles, groups, splits, keys, tiled)


def own_buffers(tiling: AttentionTiling) -> list[tuple[tuple[int, ...], str]]:
    """Shapes and dtypes of what a kernel keeps for itself: queries, sums, row maxima and softmax denominators."""
    if tiling.tiled:
        queries = (tiling.tasks, tiling.tiles, tiling.rows, cached_products_amx.packed_width(tiling)), "uint16"
    else:
        queries = (tiling.tasks, tiling.tiles, tiling.shape.cache.D, tiling.rows), "float32"
    return [queries, (tiling.sums, "float32"), (tiling.row_max, "float32"), (tiling.denominators, "float32")]


def build(spec: InstructionSet, shape: Attention) -> PrimFunc:
    """(q f32[H,S,D], k, v, [k_scale, v_scale], position i64[1], [out f32[S,H,Dv]], *own_buffers).

    Query row s, at place position + s, sees the cache rows up to its own place, at most the last `window` of them.
    `out` is there where the context is not split; `k`, `v` and their scales lie as `KvCache` says. Where the context is
    split, `attention_merge` reads the last three of `own_buffers`: sums, row maxima and denominators.
    """
    tiling, cache = tiling_of(spec, shape), shape.cache

    @T.jit(private=True)
    def attention(
        q: T.Buffer((shape.H, shape.S, cache.D), "float32"),
        k: T.Buffer(cache.keys, cache.dtype),
        v: T.Buffer(cache.values, cache.dtype),
        k_scale: T.Optional(T.Buffer(cache.scales, "float32")),
        v_scale: T.Optional(T.Buffer(cache.scales, "float32")),
        position: T.Buffer((1,), "int64"),
        out: T.Optional(T.Buffer((shape.S, shape.H, cache.Dv), "float32")),
        queries: T.Buffer(*own_buffers(tiling)[0]),
        sums: T.Buffer(tiling.sums, "float32"),
        row_max: T.Buffer(tiling.row_max, "float32"),
        denominators: T.Buffer(tiling.denominators, "float32"),
    ) -> None:
        for i in T.parallel(tiling.tasks):
            task = T.meta_var(AttentionTask(tiling, i, position))
            products = T.meta_var(products_of(spec, FromCache(task, k, v, k_scale, v_scale), queries, sums))
            clear(sums, row_max, denominators, task)
            attend(
                q, task, products, CausalSoftmax(task, products.scores, products.weights, sums, row_max, denominators)
            )
            if tiling.splits == 1:
                finish_task(task, sums, denominators, out)

    absent = {} if cache.dtype == "int8" else {"k_scale": None, "v_scale": None}
    return attention.specialize(**absent, **({} if tiling.splits == 1 else {"out": None}))


def products_of(
    spec: InstructionSet, cache: FromCache, queries: Buffer, sums: Buffer
) -> CachedFloatProducts | cached_products_amx.CachedTileProducts:
    """The products for a tiling, and the source of a block's keys and values: the cache, or a copy as float32."""
    tiling = cache.task.tiling
    if tiling.tiled:
        return cached_products_amx.CachedTileProducts(cache, queries, sums)
    scores = scratch((tiling.rows, tiling.keys), "float32")
    if tiling.shape.query_rows <= _FEW_QUERY_ROWS:
        return CachedFloatProducts(spec, cache, queries, scores, sums)
    memory = scratch((FromScratch.size(tiling),), "float32", 4 * tiling.rows * tiling.keys)
    return CachedFloatProducts(spec, FromScratch(cache, memory), queries, scores, sums)


def attend(
    q: Buffer,
    task: AttentionTask,
    products: CachedFloatProducts | cached_products_amx.CachedTileProducts,
    softmax: CausalSoftmax,
) -> None:
    """A task's work, if its split of the context has any rows yet."""
    with T.If(task.begin < task.end), T.Then():
        products.pack(q)
        pass_over(task, products, softmax)


def pass_over(
    task: AttentionTask, products: CachedFloatProducts | cached_products_amx.CachedTileProducts, softmax: CausalSoftmax
) -> None:
    """A task's split of the context, a block at a time, for all of its tiles."""
    tiling = task.tiling
    if tiling.tiled:
        amx.start()
    with T.serial(ceildiv(task.end - task.begin, tiling.keys)) as block:
        base = materialize(task.begin + block * tiling.keys, "int32", 1)
        products.load(base)
        with T.serial(tiling.tiles) as tile:
            low, high = task.bounds(tile)
            stop = materialize(T.min(T.min(task.end, high + 1), base + tiling.keys), "int32", 1)
            with T.If(T.And(base < stop, base + tiling.keys > first_seen(task, low))), T.Then():
                products.score(tile, base, stop - base)
                softmax.apply(tile, base, low, high)
                products.gather(tile, base, stop - base)
    if tiling.tiled:
        amx.end()


def first_seen(task: AttentionTask, place: Scalar) -> Scalar:
    """The first cache row that the query at a place sees."""
    window = task.tiling.shape.window
    return place - (window - 1) if window else T.int32(0)


def finish_task(task: AttentionTask, sums: Buffer, denominators: Buffer, out: Buffer) -> None:
    """Divides the sums of a task that saw all of the context by their denominators."""
    with T.serial(task.tiling.tiles) as tile, T.serial(task.tiling.rows) as row:
        index = [task.number, materialize(tile * task.tiling.rows + row, "int32", 1)]
        head, s = task.query(tile, row)
        vectors = [materialize(sums[(*index, each)]) for each in spans(task.tiling)]
        finish(task.tiling, vectors, denominators[(*index, span(0))], out, s, head)


def reference(
    q: npt.NDArray[np.float32],
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    position: int,
    scale: float,
    window: int = 0,
    softcap: float = 0.0,
) -> npt.NDArray[np.float32]:
    """In NumPy, by the definition, in float64: q f32[H,S,D], k f32[KH,C,D], v f32[KH,C,Dv] → f32[S,H,Dv]."""
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
    """Every shape; where the context is split, another kernel merges the splits."""
    tiling = tiling_of(target.spec, shape)
    name = symbol("attention", shape.H, shape.S, shape.cache.D, shape.window)
    merge = AttentionMerge(tiling) if tiling.splits > 1 else None
    return Specialization(name, (shape,), workspace=tuple(own_buffers(tiling)), followed_by=merge)


KERNEL = Kernel(Attention, accepts, build, cost, reference, WorkKind.ATTENTION)
