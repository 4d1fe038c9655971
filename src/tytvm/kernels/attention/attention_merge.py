# mypy: disable-error-code="valid-type,untyped-decorator"
"""The parts of a context brought together: their sums and totals relative to one peak, then the quotient."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.attention.attention_cut import Cut
from tytvm.kernels.kernel import Kernel, KernelTarget, Kind, Specialization, symbol
from tytvm.kernels.operators import AttentionMerge
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.exponential import exp2
from tytvm.kernels.primitives.vector import LANES, add, fill, fold, hold, span, zeros
from tytvm.target import InstructionSet


def build(spec: InstructionSet, cut: Cut) -> Any:
    """(sums, peaks, totals, out f32[S,H,Dv]): what an attention of that cut, of one group of readers, left."""
    shape, parts = cut.shape, cut.parts
    count, lanes = shape.H * shape.S, len(spans(cut))

    @T.prim_func(private=True)
    def attention_merge(
        sums: T.Buffer(cut.sums, "float32"),
        peaks: T.Buffer(cut.peaks, "float32"),
        totals: T.Buffer(cut.totals, "float32"),
        out: T.Buffer((shape.S, shape.H, shape.cache.Dv), "float32"),
    ) -> None:
        for i in T.parallel(count):
            first: T.let = i // shape.readers * parts
            reader: T.let = i % shape.readers
            peak = T.alloc_buffer((1,), "float32")
            peak[0] = peaks[first, reader]
            for part in range(parts - 1):
                peak[0] = T.max(peak[0], peaks[first + 1 + part, reader])
            merged = T.meta_var([T.alloc_buffer((LANES,), "float32") for _ in range(lanes + 1)])
            clear(merged)
            for part in range(parts):
                add_part(cut, merged, sums, totals, first + part, reader, exp2(peaks[first + part, reader] - peak[0]))
            finish(cut, [each[span(0)] for each in merged[1:]], merged[0][span(0)], out, i % shape.S, i // shape.S)

    return attention_merge


def clear(registers: list[Any]) -> None:
    """Sets all to zero."""
    for register in registers:
        T.buffer_store(register, zeros(), [span(0)])


def add_part(cut: Cut, merged: list[Any], sums: Any, totals: Any, task: Any, reader: Any, weight: Any) -> None:
    """Adds a part's totals and sums, times what its peak weighs."""
    factor = hold(fill(weight))
    whole = [totals[task, reader, span(0)], *(sums[task, reader, each] for each in spans(cut))]
    for register, vector in zip(merged, whole, strict=True):
        T.buffer_store(register, register[span(0)] + vector * factor, [span(0)])


def spans(cut: Cut) -> list[Any]:
    """The vectors of a row of sums."""
    return [span(start) for start in range(0, cut.shape.cache.values[2], LANES)]


def finish(cut: Cut, sums: list[Any], totals: Any, out: Any, row: Any, head: Any) -> None:
    """Writes a row of the output: sums over the total of sixteen totals."""
    factor = hold(fill(T.float32(1) / fold(add, totals)))
    width = cut.shape.cache.Dv
    for number, vector in enumerate(sums):
        value, start = hold(vector * factor), number * LANES
        if start + LANES <= width:
            T.buffer_store(out, value, [row, head, span(start)])
        else:
            for lane in range(width - start):
                T.buffer_store(out, T.Shuffle([value], [lane]), [row, head, start + lane])


def reference(
    sums: npt.NDArray[np.float32], peaks: npt.NDArray[np.float32], totals: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """In NumPy, of one key-value head: sums [parts, rows, W], peaks [parts, rows], totals [parts, rows, 16]."""
    weights = np.exp2(peaks.astype(np.float64) - peaks.max(axis=0))
    total = (weights[..., None] * totals).sum(axis=(0, 2))
    return np.asarray((weights[..., None] * sums).sum(axis=0) / total[:, None], np.float32)


def cost(cut: Cut) -> Cost:
    """Operations and bytes."""
    shape, width = cut.shape, cut.sums[2]
    rows = shape.H * shape.S
    read = size("float32", rows, cut.parts, width + LANES + 1)
    written = size("float32", rows, shape.cache.Dv)
    return Cost({"float32": rows * cut.parts * (2 * (width + LANES) + 16)}, read, written)


def accepts(target: KernelTarget, merge: AttentionMerge) -> Specialization:
    """Every cut."""
    shape = merge.cut.shape
    return Specialization(symbol("attention_merge", shape.H, shape.S, shape.cache.Dv), (merge.cut,))


KERNEL = Kernel(AttentionMerge, accepts, build, cost, reference, Kind.ATTENTION)
