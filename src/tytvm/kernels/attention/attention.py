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
from tytvm.kernels.attention.attention_pass import FEW_QUERY_ROWS, PassState, attend, write_output
from tytvm.kernels.attention.cached_products_float import FromCache
from tytvm.kernels.attention.neighbors import attend_together, count_neighbors, tiling_of_neighbors
from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.attention_tiling import Attention, AttentionTask, AttentionTiling, NeighborsTask
from tytvm.kernels.operands.kv_cache import of_slot
from tytvm.kernels.operators import AttentionMerge
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc
from tytvm.kernels.primitives.vector import LANES, ceildiv, materialize
from tytvm.kernels.row_count import is_in_use
from tytvm.target import InstructionSet

_ENOUGH_TASKS = 16
_FEW_ROWS = 16  # of a step: up to here the context is split too
_FEW_SEQUENCES = 4  # of a step that has many: the others may be unused, or short
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
    few = shape.tokens <= _FEW_ROWS
    splits = ceildiv(_ENOUGH_TASKS, min(shape.sequences, _FEW_SEQUENCES) * shape.cache.KH * groups) if few else 1
    keys = _TILED_KEYS if tiled else _FEW_KEYS if shape.query_rows <= FEW_QUERY_ROWS else _MANY_KEYS
    return AttentionTiling(shape, rows, tiles, groups, splits, keys, tiled)


def own_buffers(tiling: AttentionTiling) -> list[tuple[tuple[int, ...], str]]:
    """Shapes and dtypes of what a kernel keeps for itself: queries, sums, row maxima and softmax denominators."""
    if tiling.tiled:
        queries = (tiling.tasks, tiling.tiles, tiling.rows, cached_products_amx.packed_width(tiling)), "uint16"
    else:
        queries = (tiling.tasks, tiling.tiles, tiling.shape.cache.D, tiling.rows), "float32"
    return [queries, (tiling.sums, "float32"), (tiling.row_max, "float32"), (tiling.denominators, "float32")]


def build(spec: InstructionSet, shape: Attention) -> PrimFunc:
    """(q f32[H,S,D], k, v, [k_scale, v_scale], position i64[1], [slot i64[S]], [slopes, sinks f32[H]], [out], …).

    Token s, at place position + s, sees the cache rows up to its own place, at most the last `window` of them or those
    of its `chunk`. Where each token is of a sequence of its own, the number of those in use, i64[1], comes first,
    `position` is i64[S], and `slot` says in whose cache a token is; k, v and their scales are those of slot 0.
    `out` is f32[S,H,Dv], and the `own_buffers` follow. `k`, `v` and their scales lie as `KvCache` says. `sinks` and
    `out` are there where the context is not split; where it is, `attention_merge` reads the last three of
    `own_buffers`: sums, row maxima and denominators.
    """
    tiling, cache = tiling_of(spec, shape), shape.cache
    neighbors = tiling_of_neighbors(spec, tiling)

    @T.jit(private=True)
    def attention(
        row_count: T.Optional(T.Buffer((1,), "int64")),
        q: T.Buffer((shape.H, shape.S, cache.D), "float32"),
        k: T.Buffer(cache.keys, cache.dtype),
        v: T.Buffer(cache.values, cache.dtype),
        k_scale: T.Optional(T.Buffer(cache.scales, "float32")),
        v_scale: T.Optional(T.Buffer(cache.scales, "float32")),
        position: T.Buffer((shape.sequences,), "int64"),
        slot: T.Optional(T.Buffer((shape.S,), "int64")),
        slopes: T.Optional(T.Buffer((shape.H,), "float32")),
        sinks: T.Optional(T.Buffer((shape.H,), "float32")),
        out: T.Optional(T.Buffer((shape.S, shape.H, cache.Dv), "float32")),
        queries: T.Buffer(*own_buffers(tiling)[0]),
        sums: T.Buffer(tiling.sums, "float32"),
        row_max: T.Buffer(tiling.row_max, "float32"),
        denominators: T.Buffer(tiling.denominators, "float32"),
    ) -> None:
        for i in T.parallel(tiling.tasks):
            if is_in_use(row_count, i % shape.sequences):
                task = T.meta_var(AttentionTask(tiling, i, position))
                tensors = T.meta_var(of_task(task, [k, v, k_scale, v_scale], slot))
                state = T.meta_var(PassState(queries, sums, row_max, denominators))
                if neighbors is None:
                    attend_alone(spec, q, task, tensors, state, out, sinks, slopes)
                else:
                    places = T.meta_var((slot, position, row_count))
                    attend_batch(spec, neighbors, q, task, tensors, places, state, out, sinks, slopes)

    absent = {} if cache.dtype == "int8" else {"k_scale": None, "v_scale": None}
    absent |= {} if cache.slot_bytes else {"slot": None, "row_count": None}
    absent |= {} if tiling.splits == 1 else {"out": None}
    absent |= {} if shape.slopes else {"slopes": None}
    return attention.specialize(**absent, **({} if shape.sinks and tiling.splits == 1 else {"sinks": None}))


def of_task(task: AttentionTask, tensors: list[Buffer | None], slot: Buffer | None) -> list[Buffer | None]:
    """The tensors of the cache that a task reads: those of its sequence's slot."""
    if slot is None:
        return tensors
    number = materialize(slot[task.sequence], "int64", 1)
    return [of_slot(tensor, task.tiling.shape.cache, number) for tensor in tensors]


def attend_alone(
    spec: InstructionSet,
    q: Buffer,
    task: AttentionTask,
    tensors: list[Buffer | None],
    state: PassState,
    out: Buffer | None,
    sinks: Buffer | None,
    slopes: Buffer | None,
) -> None:
    """A task for rows of its own."""
    attend(spec, q, FromCache(task, *tensors), state, slopes)
    if task.tiling.splits == 1:
        write_output(task, state, out, sinks)


def attend_batch(
    spec: InstructionSet,
    neighbors: AttentionTiling,
    q: Buffer,
    task: AttentionTask,
    tensors: list[Buffer | None],
    places: tuple[Buffer, Buffer, Buffer],
    state: PassState,
    out: Buffer | None,
    sinks: Buffer | None,
    slopes: Buffer | None,
) -> None:
    """A task for a row that is alone, or for the neighbors that it is the first of."""
    count = count_neighbors(*places, task.sequence, neighbors.shape.S)
    with T.If(count == 1), T.Then():
        attend_alone(spec, q, task, tensors, state, out, sinks, slopes)
    with T.If(count > 1), T.Then():
        attend_together(spec, q, NeighborsTask(neighbors, task, count), tensors, state, out, sinks, slopes)


def reference(
    q: npt.NDArray[np.float32],
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    position: int,
    scale: float,
    window: int = 0,
    softcap: float = 0.0,
    chunk: int = 0,
    sinks: npt.NDArray[np.float32] | None = None,
    slopes: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: q f32[H,S,D], k f32[KH,C,D], v f32[KH,C,Dv], sinks and slopes f32[H] → f32[S,H,Dv]."""
    (H, S, _), (KH, C, _) = q.shape, k.shape
    keys, values = (np.repeat(cache.astype(np.float64), H // KH, axis=0) for cache in (k, v))
    scores = np.einsum("hsd,hcd->hsc", q.astype(np.float64), keys) * scale
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    place, row = position + np.arange(S)[:, None], np.arange(C)
    if slopes is not None:
        scores = scores - slopes.astype(np.float64)[:, None, None] * (place - row)
    seen = (row <= place) & ((row > place - window) if window else True)
    seen &= (row // chunk == place // chunk) if chunk else True
    scores = np.where(seen, scores, -np.inf)
    sink = np.full((H, 1, 1), -np.inf) if sinks is None else sinks.astype(np.float64)[:, None, None]
    highest = np.maximum(scores.max(axis=-1, keepdims=True), sink)
    weights = np.exp(scores - highest)
    weights /= weights.sum(axis=-1, keepdims=True) + np.exp(sink - highest)
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
    name = symbol("attention", shape.H, shape.S, shape.cache.D, shape.window, batch=shape.cache.slot_bytes > 0)
    merge = AttentionMerge(tiling) if tiling.splits > 1 else None
    return Specialization(
        name,
        (shape,),
        workspace=tuple(own_buffers(tiling)),
        followed_by=merge,
        counted=shape.cache.slot_bytes > 0,
    )


KERNEL = Kernel(Attention, accepts, build, cost, reference, WorkKind.ATTENTION)
