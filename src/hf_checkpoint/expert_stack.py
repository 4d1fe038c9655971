"""A parameter that stacks the experts of a layer, and the tensors of a checkpoint that have its rows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ExpertStack:
    """One parameter [experts, N, K], as a matrix of experts · N rows.

    Attributes:
        shape: experts, N, K.
        names: of the tensors that have its rows, in order: matrices, or the whole parameter.
        starts: the row with which each begins.
        is_whole: whether there is one tensor, of the parameter's own shape.
    """

    shape: tuple[int, int, int]
    names: tuple[str, ...]
    starts: tuple[int, ...]
    is_whole: bool = False

    @property
    def rows(self) -> int:
        """Of the whole."""
        return self.shape[0] * self.shape[1]

    def parts(self, start: int, stop: int) -> Iterator[tuple[str, int, int]]:
        """The tensors that have rows [start, stop), each with the rows of its own that are among them."""
        for number in range(bisect_right(self.starts, start) - 1, bisect_left(self.starts, stop)):
            first, end = self._span(number)
            yield self.names[number], max(start, first) - first, min(stop, end) - first

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor."""
        if self.is_whole:
            return {self.names[0]: self.shape}
        spans = map(self._span, range(len(self.names)))
        return {name: (end - first, self.shape[2]) for name, (first, end) in zip(self.names, spans, strict=True)}

    def _span(self, number: int) -> tuple[int, int]:
        """The rows that a tensor has."""
        following = number + 1
        return self.starts[number], self.starts[following] if following < len(self.starts) else self.rows
