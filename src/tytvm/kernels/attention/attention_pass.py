"""A pass over a split of the context: of each block scores, weights and weighted sums of all tiles of query rows."""

from dataclasses import dataclass

from tvm.script import tirx as T

from tytvm.kernels.attention import cached_products_amx
from tytvm.kernels.attention.attention_merge import finish, sink_weight, spans
from tytvm.kernels.attention.cached_products_float import CachedFloatProducts, FromCache, FromScratch
from tytvm.kernels.attention.causal_softmax import CausalSoftmax, clear
from tytvm.kernels.operands.attention_tiling import AttentionTask
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.cost import size
from tytvm.kernels.primitives.expressions import Buffer
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import ceildiv, materialize, span
from tytvm.target import InstructionSet

FEW_QUERY_ROWS = 24
"""Up to here keys and values are used as they come, for converting a block first costs more."""

Products = CachedFloatProducts | cached_products_amx.CachedTileProducts


@dataclass(frozen=True)
class PassState:
    """What tasks keep for their query rows, shaped as `attention.own_buffers` says."""

    queries: Buffer
    sums: Buffer
    row_max: Buffer
    denominators: Buffer


def attend(
    spec: InstructionSet, q: Buffer, cache: FromCache, state: PassState, slopes: Buffer | None = None, start: int = 0
) -> None:
    """A task's sums, which stay empty if its split of the context has no rows yet; scratch memory from `start` on."""
    task = cache.task
    products = _products(spec, cache, state, start)
    clear(state.sums, state.row_max, state.denominators, task)
    with T.If(task.begin < task.end), T.Then():
        products.pack(q)
        sums = state.sums, state.row_max, state.denominators
        softmax = CausalSoftmax(task, products.scores, products.weights, *sums, slopes)
        _pass_over(task, products, softmax)


def _products(spec: InstructionSet, cache: FromCache, state: PassState, start: int) -> Products:
    """The products for a tiling, and the source of a block's keys and values: the cache, or a copy as float32."""
    tiling = cache.task.tiling
    if tiling.tiled:
        return cached_products_amx.CachedTileProducts(cache, state.queries, state.sums)
    scores = scratch((tiling.rows, tiling.keys), "float32", start)
    if tiling.shape.query_rows <= FEW_QUERY_ROWS:
        return CachedFloatProducts(spec, cache, state.queries, scores, state.sums)
    memory = scratch((FromScratch.size(tiling),), "float32", start + size("float32", tiling.rows, tiling.keys))
    return CachedFloatProducts(spec, FromScratch(cache, memory), state.queries, scores, state.sums)


def _pass_over(task: AttentionTask, products: Products, softmax: CausalSoftmax) -> None:
    """A task's split of the context, a block at a time, for all of its tiles."""
    tiling = task.tiling
    if tiling.tiled:
        amx.start()
    with T.serial(ceildiv(task.end - task.begin, tiling.keys)) as block:
        base = materialize(task.begin + block * tiling.keys, "int32", 1)
        products.load(base)
        with T.serial(task.tiles) as tile:
            low, high = task.bounds(tile)
            stop = materialize(T.min(T.min(task.end, high + 1), base + tiling.keys), "int32", 1)
            with T.If(T.And(base < stop, base + tiling.keys > tiling.shape.first_seen(low))), T.Then():
                products.score(tile, base, stop - base)
                softmax.apply(tile, base, low, high)
                products.gather(tile, base, stop - base)
    if tiling.tiled:
        amx.end()


def write_output(task: AttentionTask, state: PassState, out: Buffer, sinks: Buffer | None = None) -> None:
    """Divides the sums of a task that saw all of the context by their denominators."""
    with T.serial(task.tiles) as tile, T.serial(task.tiling.rows) as row:
        index = [task.number, materialize(tile * task.tiling.rows + row, "int32", 1)]
        head, s = task.query(tile, row)
        vectors = [materialize(state.sums[(*index, each)]) for each in spans(task.tiling)]
        extra = sink_weight(sinks, head, state.row_max[tuple(index)])
        finish(task.tiling, vectors, state.denominators[(*index, span(0))], out, s, head, extra)
