# mypy: disable-error-code="valid-type,untyped-decorator"
"""The splits of a context merged: their sums and denominators relative to one row maximum, then the quotient."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.attention_tiling import AttentionTiling
from tytvm.kernels.operators import AttentionMerge
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.exponential import LOG2_E, exp2
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, add, fill, horizontal_reduce, materialize, span, zeros
from tytvm.target import InstructionSet

_MOST = 120.0  # an exponent of two that float32 holds with room; a sink so heavy leaves the values nothing


def build(spec: InstructionSet, tiling: AttentionTiling) -> PrimFunc:
    """(sums, row_max, denominators f32, as `tiling` says; [sinks f32[H]]; out f32[S,H,Dv]), of one group of rows."""
    shape, splits = tiling.shape, tiling.splits
    of_sequence, lanes = shape.H * shape.tokens, len(spans(tiling))

    @T.jit(private=True)
    def attention_merge(
        sums: T.Buffer(tiling.sums, "float32"),
        row_max: T.Buffer(tiling.row_max, "float32"),
        denominators: T.Buffer(tiling.denominators, "float32"),
        sinks: T.Optional(T.Buffer((shape.H,), "float32")),
        out: T.Buffer((shape.S, shape.H, shape.cache.Dv), "float32"),
    ) -> None:
        for i in T.parallel(shape.sequences * of_sequence):
            sequence: T.let = i // of_sequence
            head: T.let = i % of_sequence // shape.query_rows
            query_row: T.let = i % shape.query_rows
            first: T.let = head * splits * shape.sequences + sequence
            highest = T.alloc_buffer((1,), "float32")
            highest[0] = row_max[first, query_row]
            for split in range(splits - 1):
                highest[0] = T.max(highest[0], row_max[first + (split + 1) * shape.sequences, query_row])
            merged = T.meta_var([T.alloc_buffer((LANES,), "float32") for _ in range(lanes + 1)])
            clear(merged)
            for split in range(splits):
                add_split(
                    tiling,
                    merged,
                    sums,
                    denominators,
                    first + split * shape.sequences,
                    query_row,
                    exp2(row_max[first + split * shape.sequences, query_row] - highest[0]),
                )
            finish(
                tiling,
                [each[span(0)] for each in merged[1:]],
                merged[0][span(0)],
                out,
                sequence * shape.tokens + i % shape.tokens,
                i % of_sequence // shape.tokens,
                sink_weight(sinks, i % of_sequence // shape.tokens, highest[0]),
            )

    return attention_merge.specialize(**({} if shape.sinks else {"sinks": None}))


def clear(registers: list[Buffer]) -> None:
    """Sets all to zero."""
    for register in registers:
        T.buffer_store(register, zeros(), [span(0)])


def add_split(
    tiling: AttentionTiling,
    merged: list[Buffer],
    sums: Buffer,
    denominators: Buffer,
    task: Scalar,
    query_row: Scalar,
    weight: Scalar,
) -> None:
    """Adds a split's denominators and sums, times the weight of its row maximum."""
    factor = materialize(fill(weight))
    whole = [denominators[task, query_row, span(0)], *(sums[task, query_row, each] for each in spans(tiling))]
    for register, vector in zip(merged, whole, strict=True):
        T.buffer_store(register, register[span(0)] + vector * factor, [span(0)])


def spans(tiling: AttentionTiling) -> list[Scalar]:
    """The vectors of a row of sums."""
    return [span(start) for start in range(0, tiling.shape.cache.values[2], LANES)]


def sink_weight(sinks: Buffer | None, head: Scalar, row_max: Scalar) -> Scalar | None:
    """The weight of a head's sink, relative to a row maximum as all weights are; None where there are no sinks."""
    if sinks is None:
        return None
    return exp2(T.min(sinks[head] * T.float32(LOG2_E) - row_max, T.float32(_MOST)))


def finish(
    tiling: AttentionTiling,
    sums: list[Vector],
    denominators: Buffer,
    out: Buffer,
    row: Scalar,
    head: Scalar,
    extra: Scalar | None,
) -> None:
    """Writes a row of the output: the sums over the total of sixteen denominators, and of what else is added to it."""
    total = horizontal_reduce(add, denominators)
    factor = materialize(fill(T.float32(1) / (total if extra is None else total + extra)))
    width = tiling.shape.cache.Dv
    for number, vector in enumerate(sums):
        value, start = materialize(vector * factor), number * LANES
        if start + LANES <= width:
            T.buffer_store(out, value, [row, head, span(start)])
        else:
            for lane in range(width - start):
                T.buffer_store(out, T.Shuffle([value], [lane]), [row, head, start + lane])


def reference(
    sums: npt.NDArray[np.float32],
    row_max: npt.NDArray[np.float32],
    denominators: npt.NDArray[np.float32],
    sinks: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """In NumPy, of one key-value head, f32 [rows, W].

    Args:
        sums: [splits, rows, W], weighted sums of values.
        row_max: [splits, rows], what each split's weights are relative to, in powers of two.
        denominators: [splits, rows, 16], to be summed.
        sinks: [rows], the score of the sink of each row's head.
    """
    weights = np.exp2(row_max.astype(np.float64) - row_max.max(axis=0))
    total = (weights[..., None] * denominators).sum(axis=(0, 2))
    if sinks is not None:
        total = total + np.exp2(sinks * LOG2_E - row_max.max(axis=0))
    return np.asarray((weights[..., None] * sums).sum(axis=0) / total[:, None], np.float32)


def cost(tiling: AttentionTiling) -> Cost:
    """Operations and bytes."""
    shape, width = tiling.shape, tiling.sums[2]
    rows = shape.H * shape.S
    read = size("float32", rows, tiling.splits, width + LANES + 1)
    written = size("float32", rows, shape.cache.Dv)
    return Cost({"float32": rows * tiling.splits * (2 * (width + LANES) + 16)}, read, written)


def accepts(target: KernelTarget, merge: AttentionMerge) -> Specialization:
    """Every tiling."""
    shape = merge.tiling.shape
    return Specialization(
        symbol("attention_merge", shape.H, shape.S, shape.cache.Dv, batch=shape.cache.slot_bytes > 0),
        (merge.tiling,),
        rows=shape.S if shape.cache.slot_bytes else 0,
    )


KERNEL = Kernel(AttentionMerge, accepts, build, cost, reference, WorkKind.ATTENTION)
