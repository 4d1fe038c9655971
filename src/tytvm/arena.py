"""The arena: where each temporary lies, so that those alive together do not overlap.

Alive is a temporary for the whole of a phase, the calls between two barriers that the data itself asks for: were its
place given away within one, that alone would ask for another.

Greedy by size (Pisarchyk and Lee 2020, arXiv 2001.03288): the largest first, each at the lowest offset free for all its
life.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tytvm.linearize import KernelCall
from tytvm.memory_layout import MemoryLayout, aligned, bytes_of
from tytvm.weights import TensorSpec


@dataclass(frozen=True)
class _Life:
    """First and last phase in which a call touches a temporary, and its size."""

    name: str
    first: int
    last: int
    size: int


def plan_arena(calls: Sequence[KernelCall], head_start: int, buffers: Mapping[str, TensorSpec]) -> MemoryLayout:
    """Offsets of every temporary (a buffer whose name names no memory).

    What the head (calls from `head_start` on) reads of the body stays to the end: the head may run again for another
    row.
    """
    placed: list[tuple[_Life, int]] = []
    for life in sorted(_lives(calls, head_start, buffers), key=lambda life: (-life.size, life.first)):
        placed.append((life, _lowest_offset(life, placed)))
    specs = {life.name: buffers[life.name] for life, _ in placed}
    total = max((offset + life.size for life, offset in placed), default=0)
    return MemoryLayout(specs, {life.name: offset for life, offset in placed}, total)


def phases(calls: Sequence[KernelCall], head_start: int) -> list[int]:
    """The phase of each call.

    A new one begins where a call touches what another of its phase wrote, or writes what one read; and with the head.
    """
    result: list[int] = []
    phase, read, written = 0, set[str](), set[str]()
    for index, call in enumerate(calls):
        if index == head_start or call.read & written or call.written & (read | written):
            phase, read, written = phase + 1, set(), set()
        read, written = read | call.read, written | call.written
        result.append(phase)
    return result


def _lives(calls: Sequence[KernelCall], head_start: int, buffers: Mapping[str, TensorSpec]) -> list[_Life]:
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    numbers = phases(calls, head_start)
    head = numbers[head_start] if head_start < len(calls) else len(calls)
    for call, phase in zip(calls, numbers, strict=True):
        for name in call.arguments:
            if ":" not in name:
                first.setdefault(name, phase)
                crosses = first[name] < head <= phase
                last[name] = len(calls) if crosses else max(phase, last.get(name, 0))
    return [_Life(name, first[name], last[name], aligned(bytes_of(buffers[name]))) for name in first]


def _lowest_offset(life: _Life, placed: Sequence[tuple[_Life, int]]) -> int:
    taken = sorted(
        (offset, offset + other.size)
        for other, offset in placed
        if other.first <= life.last and life.first <= other.last
    )
    offset = 0
    for start, stop in taken:
        if offset + life.size <= start:
            break
        offset = max(offset, stop)
    return offset
