"""Rows of a batch that are neighbors in one sequence: parts of a prompt, or a draft, share a pass over the cache.

The task of the first of them does the work of all. Keys come in the same blocks and the same order as for a row that is
alone; products are float32 always, so that what a row is given depends as little as can be on who is beside it.
"""

from dataclasses import replace

from tvm.script import tirx as T

from tytvm.kernels.attention.attention_merge import spans
from tytvm.kernels.attention.attention_pass import PassState, attend, write_output
from tytvm.kernels.attention.cached_products_float import FromCache
from tytvm.kernels.operands.attention_tiling import AttentionTiling, NeighborsTask
from tytvm.kernels.primitives.cost import size
from tytvm.kernels.primitives.expressions import Buffer, Scalar
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, ceildiv, materialize, span
from tytvm.target import InstructionSet

_MOST_QUERY_ROWS = 224  # of a pass: what it keeps lies in a core's cache
_LINE = 64


def tiling_of_neighbors(spec: InstructionSet, batch: AttentionTiling) -> AttentionTiling | None:
    """How neighbors in a batch are tiled; None where they are not many to a pass."""
    shape = batch.shape
    tokens = min(shape.S, _MOST_QUERY_ROWS // (shape.H // shape.cache.KH))
    if not shape.cache.slot_bytes or tokens < 2:
        return None
    together = replace(shape, cache=replace(shape.cache, slot_bytes=0), S=tokens)
    tiles = ceildiv(together.query_rows, max(1, spec.accumulators // 2))
    return AttentionTiling(together, ceildiv(together.query_rows, tiles), tiles, 1, batch.splits, batch.keys)


def count_neighbors(slot: Buffer, position: Buffer, row_count: Buffer, row: Scalar, most: int) -> Scalar:
    """How many rows from `row` on share a pass, at most `most`; 0 where an earlier row's pass has this one."""
    start, count = T.alloc_buffer((1,), "int32"), T.alloc_buffer((1,), "int32")
    T.buffer_store(start, T.int32(0), [0])
    with T.serial(row) as earlier:
        T.buffer_store(start, T.Select(_goes_on(slot, position, earlier + 1), start[0], earlier + 1), [0])
    T.buffer_store(count, T.Select((row - start[0]) % most == 0, T.int32(1), T.int32(0)), [0])
    used = T.min(T.cast(row_count[0], "int32"), int(slot.shape[0]))
    with T.serial(T.max(T.min(used - row, most) - 1, 0)) as later:
        is_next = T.And(count[0] == later + 1, _goes_on(slot, position, row + later + 1))
        T.buffer_store(count, T.Select(is_next, later + 2, count[0]), [0])
    return materialize(count[0], "int32", 1)


def _goes_on(slot: Buffer, position: Buffer, row: Scalar) -> Scalar:
    """Whether a row is the token after that of the row before it."""
    return T.And(slot[row] == slot[row - 1], position[row] == position[row - 1] + T.int64(1))


def attend_together(
    spec: InstructionSet,
    q: Buffer,
    task: NeighborsTask,
    tensors: list[Buffer | None],
    state: PassState,
    out: Buffer | None,
    sinks: Buffer | None,
    slopes: Buffer | None,
) -> None:
    """A pass for neighbors: their rows of the output, or of the split's `state`, each where its own task has it."""
    own, end = _state(task.tiling)
    attend(spec, q, FromCache(task, *tensors), own, slopes, end)
    if task.tiling.splits == 1:
        write_output(task, own, out, sinks)
    else:
        _copy(task, own, state)


def _state(tiling: AttentionTiling) -> tuple[PassState, int]:
    """State in the thread's memory, for one task, and where it ends there."""
    rows, width = tiling.tiles * tiling.rows, tiling.shape.cache.values[2]
    buffers, start = [], 0
    for shape in (1, tiling.tiles, tiling.shape.cache.D, tiling.rows), (1, rows, width), (1, rows), (1, rows, LANES):
        buffers.append(scratch(shape, "float32", start))
        start += ceildiv(size("float32", *shape), _LINE) * _LINE
    return PassState(*buffers), start


def _copy(task: NeighborsTask, own: PassState, state: PassState) -> None:
    with T.serial(task.tiles) as tile, T.serial(task.tiling.rows) as row:
        query_row = materialize(task.query_row(tile, row), "int32", 1)
        source = [0, materialize(tile * task.tiling.rows + row, "int32", 1)]
        to = [task.alone + query_row // task.heads, query_row % task.heads]
        T.buffer_store(state.row_max, own.row_max[tuple(source)], to)
        T.buffer_store(state.denominators, own.denominators[(*source, span(0))], [*to, span(0)])
        for each in spans(task.tiling):
            T.buffer_store(state.sums, own.sums[(*source, each)], [*to, each])
