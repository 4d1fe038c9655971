"""Packs the weights: each is read once, a few rows at a time, split for every die, laid out for its kernel, appended.

Threads read and pack ahead; one writes, in file order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hf_checkpoint.finite_check import as_float16
from hf_checkpoint.quantized_rows import QuantizedRows
from tyllm.build.tensor_parallel import IN, OUT, WeightSharding
from tyllm.build.weight_reader import ROWS, Weights
from tyllm.package.params_writer import ParamsWriter
from tyllm_base.machine import available_processes
from tytvm.kernels.linear import float16_weight, int4_weight
from tytvm.weights import W4, W16, Plain, WeightFormat

Array = npt.NDArray[Any]
Rows = QuantizedRows | npt.NDArray[np.float32]
DieRows = list[tuple[int, Mapping[str, Array]]]
"""Some rows of a weight, packed: for each die that holds some, the suffixes of its tensors and their rows."""


@dataclass(frozen=True)
class StoredWeight:
    """One stored weight: its sharding, and its format on each die."""

    name: str
    sharding: WeightSharding
    formats: Sequence[WeightFormat]

    def part(self, die: int, start: int, stop: int) -> tuple[int, int]:
        """Of rows [start, stop) of one block of the weight, those that a die holds; empty spans have stop ≤ start."""
        if self.sharding.axis != OUT:
            return start, stop
        before = start // self.sharding.block * self.sharding.block
        first, last = self.sharding.spans[die]
        return max(start, before + first), min(stop, before + last)

    def columns(self, die: int, width: int) -> tuple[int, int]:
        """The inputs that a die holds, of `width`."""
        return self.sharding.spans[die] if self.sharding.axis == IN else (0, width)


def pack_weights(
    weights: Sequence[StoredWeight], reader: Weights, writers: Sequence[ParamsWriter], progress: Callable[[str], object]
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
    threads = available_processes()
    # Each thread packs rows of its own: torch's own threads would only get in the way.
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        results = _ahead(pool, _tasks(weights, reader), 2 * threads)
        for weight, die_rows in groupby(results, key=lambda result: result[0]):
            _write(weight, (rows for _, rows in die_rows), writers)
            progress(weight.name)


def _tasks(weights: Sequence[StoredWeight], reader: Weights) -> Iterator[Callable[[], tuple[StoredWeight, DieRows]]]:
    """Every span of rows of every weight, in file order."""
    for weight in weights:
        for start, stop in _chunks(weight, _rows_of(weight)):
            yield partial(_packed, weight, reader, start, stop)


def _ahead(
    pool: ThreadPoolExecutor, tasks: Iterable[Callable[[], tuple[StoredWeight, DieRows]]], most: int
) -> Iterator[tuple[StoredWeight, DieRows]]:
    """Results in the order of the tasks, at most so many of them in memory."""
    waiting: deque[Future[tuple[StoredWeight, DieRows]]] = deque()
    for task in tasks:
        waiting.append(pool.submit(task))
        if len(waiting) == most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _write(weight: StoredWeight, chunks: Iterable[DieRows], writers: Sequence[ParamsWriter]) -> None:
    """Append a weight's first tensor as it comes; the scales and zeros of INT4 wait until all codes are written."""
    waiting: list[list[Mapping[str, Array]]] = [[] for _ in writers]
    for die_rows in chunks:
        for die, packed in die_rows:
            first, *later = packed
            writers[die].append_rows(f"{weight.name}{first}", packed[first])
            waiting[die].append({suffix: packed[suffix] for suffix in later})
    for writer, parts in zip(writers, waiting, strict=True):
        for suffix in parts[0]:
            writer.append_rows(f"{weight.name}{suffix}", np.concatenate([part[suffix] for part in parts]))


def _rows_of(weight: StoredWeight) -> int:
    """Rows of the whole weight."""
    own = weight.formats[0]
    if weight.sharding.axis == OUT:
        return weight.sharding.blocks * weight.sharding.block
    return own.out_features if isinstance(own, W4 | W16) else (own.shape[0] if own.shape else 1)


def _chunks(weight: StoredWeight, rows: int) -> Iterator[tuple[int, int]]:
    """Spans of rows to read together; none crosses the beginning of a die's part: each die packs whole blocks."""
    edges = sorted({0, rows, *_edges(weight.sharding)})
    for first, last in pairwise(edges):
        for start in range(first, last, ROWS):
            yield start, min(start + ROWS, last)


def _edges(sharding: WeightSharding) -> Iterator[int]:
    """Rows at which a die's part of a block begins or ends."""
    if sharding.axis == OUT:
        for block, span in product(range(sharding.blocks), sharding.spans):
            yield from (block * sharding.block + edge for edge in span)


def _packed(weight: StoredWeight, reader: Weights, start: int, stop: int) -> tuple[StoredWeight, DieRows]:
    """Read some rows, and pack what each die holds of them."""
    is_int4 = isinstance(weight.formats[0], W4)  # and so on every die
    rows = reader.codes(weight.name, start, stop) if is_int4 else reader.floats(weight.name, start, stop)
    holders = [die for die in range(len(weight.formats)) if np.subtract(*weight.part(die, start, stop)) < 0]
    return weight, [(die, _laid_out(weight, die, _columns(weight, die, rows))) for die in holders]


def _columns(weight: StoredWeight, die: int, rows: Rows) -> Rows:
    """The inputs of `rows` that a die holds; INT4 codes by the groups of the die's format."""
    own = weight.formats[die]
    if isinstance(rows, QuantizedRows):
        assert isinstance(own, W4)
        return rows.columns(*weight.columns(die, rows.codes.shape[1]), own.group_size)
    return rows[:, slice(*weight.columns(die, rows.shape[1]))] if rows.ndim > 1 else rows


def _laid_out(weight: StoredWeight, die: int, rows: Rows) -> Mapping[str, Array]:
    """Rows in the die's format: suffix → rows of the stored tensor."""
    own = weight.formats[die]
    if isinstance(rows, QuantizedRows):
        packed = int4_weight.pack(np.ascontiguousarray(rows.codes), rows.scales, rows.zeros)
        return {f".{part}": packed[part] for part in ("weight", "scale", "zero")}
    if isinstance(own, W16):
        return {"": float16_weight.pack(as_float16(weight.name, rows.reshape(len(rows), -1)))["weight"]}
    if weight.sharding.is_term and die:
        return {"": np.zeros_like(rows)}
    is_half = isinstance(own, Plain) and own.dtype == "float16"
    return {"": as_float16(weight.name, rows) if is_half else rows}
