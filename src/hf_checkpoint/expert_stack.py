"""A parameter that stacks the experts of a layer, and the tensors of a checkpoint that have its rows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from hf_checkpoint import mxfp4

BIAS = "_bias"
"""What follows the name of a parameter of experts in that of its biases."""


class Storage(Enum):
    """How a checkpoint has a stack: a tensor for each linear layer of each expert, one for all, or one in MXFP4."""

    SEPARATE = "separate"
    WHOLE = "whole"
    MXFP4 = "mxfp4"


@dataclass(frozen=True)
class ExpertForm:
    """How a stack lies in one tensor.

    Attributes:
        is_transposed: as [experts, K, N] instead of [experts, N, K].
        is_interleaved: whether outputs of gate and up take turns; else those of gate come first.
    """

    is_transposed: bool = False
    is_interleaved: bool = False


@dataclass(frozen=True)
class ExpertStack:
    """One parameter [experts, N, K], or the biases [experts, N] of one, as a matrix of experts · N rows.

    Attributes:
        shape: experts, N and, unless they are biases, K.
        names: of the tensors that have its rows, in order: matrices, or the whole parameter, or its codes and scales.
        starts: the row with which each begins.
        storage: which of these they are.
        form: how rows lie in the one tensor, if it is one.
        own: how the model's code wants them.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...]
    starts: tuple[int, ...]
    storage: Storage = Storage.SEPARATE
    form: ExpertForm = ExpertForm()
    own: ExpertForm = ExpertForm()

    @property
    def rows(self) -> int:
        """Of the whole."""
        return self.shape[0] * self.shape[1]

    def parts(self, start: int, stop: int) -> Iterator[tuple[str, int, int]]:
        """The separate tensors that have rows [start, stop), each with the rows of its own that are among them."""
        for number in range(bisect_right(self.starts, start) - 1, bisect_left(self.starts, stop)):
            first, end = self._span(number)
            yield self.names[number], max(start, first) - first, min(stop, end) - first

    def outputs(self, start: int, stop: int) -> Iterator[tuple[int, slice]]:
        """Rows [start, stop) in the one tensor: experts, and the outputs of each there."""
        turns = 2 if self.form.is_interleaved else 1
        together = self.shape[1] // turns
        while start < stop:
            expert, row = divmod(start, self.shape[1])
            turn, first = divmod(row, together)
            count = min(together - first, stop - start)
            yield expert, slice(first * turns + turn, (first + count - 1) * turns + turn + 1, turns)
            start += count

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor."""
        experts, outputs, *inputs = self.shape
        if self.storage is Storage.MXFP4:
            return dict(zip(self.names, mxfp4.shapes(experts, outputs, *inputs), strict=True))
        if self.storage is Storage.WHOLE:
            own = (experts, *inputs, outputs) if self.form.is_transposed else self.shape
            return {self.names[0]: own}
        spans = map(self._span, range(len(self.names)))
        return {name: (end - first, *inputs) for name, (first, end) in zip(self.names, spans, strict=True)}

    def _span(self, number: int) -> tuple[int, int]:
        """The rows that a tensor has."""
        following = number + 1
        return self.starts[number], self.starts[following] if following < len(self.starts) else self.rows


class ExpertRows(NamedTuple):
    """Rows [start, stop) of a stack: one linear layer of one expert."""

    stack: ExpertStack
    start: int
    stop: int
