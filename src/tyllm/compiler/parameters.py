"""Packs the weights: each is read once, a few rows at a time, cut for every die, laid out for its kernel and appended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.compiler.tensor_parallel import IN, OUT, Cut
from tyllm.compiler.weight_reader import ROWS, WeightReader, to_half
from tyllm.package.params_writer import ParamsWriter
from tytvm.kernels import int4_weight, linear_w16a16
from tytvm.weights import W4, W16, Plain, WeightFormat

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Stored:
    """One stored weight: its cut, and its format on each die."""

    name: str
    cut: Cut
    formats: Sequence[WeightFormat]

    def part(self, die: int, start: int, stop: int) -> tuple[int, int]:
        """Of rows [start, stop) of the whole weight, those that a die holds; empty spans have stop ≤ start."""
        first, last = self.cut.spans[die] if self.cut.axis == OUT else (start, stop)
        return max(start, first), min(stop, last)

    def columns(self, die: int, width: int) -> tuple[int, int]:
        """The inputs that a die holds, of `width`."""
        return self.cut.spans[die] if self.cut.axis == IN else (0, width)


def pack_weights(
    weights: Sequence[Stored], reader: WeightReader, writers: Sequence[ParamsWriter], progress: Callable[[str], None]
) -> None:
    """Write every weight to every die's file.

    Args:
        weights: in the order of the files.
        reader: the checkpoint.
        writers: one a die.
        progress: called with a weight's name when it is written.

    Raises:
        CheckpointError: a weight cannot be stored: NaN, infinite, beyond float16.
    """
    for weight in weights:
        scratch: list[list[Mapping[str, Array]]] = [[] for _ in writers]
        for start, stop in _chunks(weight, _rows_of(weight, reader)):
            for die, rows in _cut_rows(weight, reader, start, stop):
                _append(weight, die, rows, writers[die], scratch[die])
        for die, writer in enumerate(writers):
            for part in ("scale", "zero") if scratch[die] else ():
                writer.append(f"{weight.name}.{part}", np.concatenate([packed[part] for packed in scratch[die]]))
        progress(weight.name)


def _rows_of(weight: Stored, reader: WeightReader) -> int:
    """Rows of the whole weight."""
    own = weight.formats[0]
    if weight.cut.axis == OUT:
        return max(stop for _, stop in weight.cut.spans)
    return own.out_features if isinstance(own, W4 | W16) else (own.shape[0] if own.shape else 1)


def _chunks(weight: Stored, rows: int) -> Iterator[tuple[int, int]]:
    """Spans of rows to read together; none crosses the beginning of a die's part, so that each die packs whole blocks."""
    edges = sorted({0, rows, *(edge for span in weight.cut.spans for edge in span if weight.cut.axis == OUT)})
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        for start in range(first, last, ROWS):
            yield start, min(start + ROWS, last)


def _cut_rows(weight: Stored, reader: WeightReader, start: int, stop: int) -> Iterator[tuple[int, Any]]:
    """For each die that holds some of these rows: the rows as INT4 codes or floats, its columns only."""
    is_int4 = any(isinstance(own, W4) for own in weight.formats)
    rows = reader.codes(weight.name, start, stop) if is_int4 else reader.floats(weight.name, start, stop)
    for die, own in enumerate(weight.formats):
        first, last = weight.part(die, start, stop)
        if first >= last:
            continue
        if isinstance(own, W4):
            yield die, rows.columns(*weight.columns(die, rows.codes.shape[1]), own.group_size)
        else:
            floats = rows.floats() if is_int4 else rows
            yield die, floats[:, slice(*weight.columns(die, floats.shape[1]))] if floats.ndim > 1 else floats


def _append(weight: Stored, die: int, rows: Any, writer: ParamsWriter, scratch: list[Mapping[str, Array]]) -> None:
    own = weight.formats[die]
    if isinstance(own, Plain):
        writer.append(weight.name, rows if own.dtype == "float32" else to_half(weight.name, rows))
    elif isinstance(own, W16):
        for packed in linear_w16a16.pack(to_half(weight.name, rows)).values():
            writer.append(weight.name, packed)
    else:
        packed = int4_weight.pack(np.ascontiguousarray(rows.codes), rows.scales, rows.zeros)
        writer.append(f"{weight.name}.weight", packed["weight"])
        scratch.append(packed)
