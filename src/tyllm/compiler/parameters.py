"""Packs the weights: each is read once, a few rows at a time, cut for every die, laid out for its kernel, appended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.compiler.tensor_parallel import IN, OUT, Cut
from tyllm.compiler.weight_reader import ROWS, Codes, WeightReader, to_half
from tyllm.package.params_writer import ParamsWriter
from tytvm.kernels import int4_weight, linear_w16a16
from tytvm.weights import W4, W16, Plain, WeightFormat

Array = npt.NDArray[Any]
Rows = Codes | npt.NDArray[np.float32]


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
    """Spans of rows to read together; none crosses the beginning of a die's part: each die packs whole blocks."""
    edges = sorted({0, rows, *(edge for span in weight.cut.spans for edge in span if weight.cut.axis == OUT)})
    for first, last in pairwise(edges):
        for start in range(first, last, ROWS):
            yield start, min(start + ROWS, last)


def _cut_rows(weight: Stored, reader: WeightReader, start: int, stop: int) -> Iterator[tuple[int, Rows]]:
    """For each die that holds some of these rows: the rows as INT4 codes or floats, its columns only."""
    is_int4 = isinstance(weight.formats[0], W4)  # and so on every die
    rows = reader.codes(weight.name, start, stop) if is_int4 else reader.floats(weight.name, start, stop)
    for die in range(len(weight.formats)):
        first, last = weight.part(die, start, stop)
        if first < last:
            yield die, _columns(weight, die, rows)


def _columns(weight: Stored, die: int, rows: Rows) -> Rows:
    """The inputs of `rows` that a die holds; INT4 codes by the groups of the die's format."""
    own = weight.formats[die]
    if isinstance(rows, Codes):
        assert isinstance(own, W4)
        return rows.columns(*weight.columns(die, rows.codes.shape[1]), own.group_size)
    return rows[:, slice(*weight.columns(die, rows.shape[1]))] if rows.ndim > 1 else rows


def _append(weight: Stored, die: int, rows: Rows, writer: ParamsWriter, scratch: list[Mapping[str, Array]]) -> None:
    """Write rows in the die's format; of INT4 only the codes, their scales and zeros wait in `scratch`."""
    own = weight.formats[die]
    if isinstance(rows, Codes):
        packed = int4_weight.pack(np.ascontiguousarray(rows.codes), rows.scales, rows.zeros)
        writer.append(f"{weight.name}.weight", packed["weight"])
        scratch.append(packed)
    elif isinstance(own, W16):
        writer.append(weight.name, linear_w16a16.pack(to_half(weight.name, rows))["weight"])
    else:
        is_half = isinstance(own, Plain) and own.dtype == "float16"
        writer.append(weight.name, to_half(weight.name, rows) if is_half else rows)
