"""How an axis is cut over dies: contiguous, uneven if need be, never through a unit (a group of heads or weights)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from tyllm_base.errors import SettingError

Span = tuple[int, int]
"""Start and stop of one die's part of an axis."""


def even_spans(count: int, parts: int) -> list[Span]:
    """`count` things over `parts`, contiguous, the first parts one larger where it does not divide."""
    small, extra = divmod(count, parts)
    starts = [part * small + min(part, extra) for part in range(parts + 1)]
    return list(pairwise(starts))


def split_axis(size: int, unit: int, dies: int, what: str) -> list[Span]:
    """An axis of `size` over `dies` in whole `unit`s; the last unit may be short.

    Raises:
        SettingError: there are fewer units than dies.
    """
    units = -(-size // unit)
    if units < dies:
        raise SettingError(
            f"{what}: {size} in units of {unit} does not split over {dies} dies; use at most {units} dies."
        )
    return [(start * unit, min(stop * unit, size)) for start, stop in even_spans(units, dies)]


@dataclass(frozen=True)
class HeadSpans:
    """The query and key/value heads of each die, as spans of head numbers."""

    query: list[Span]
    key_value: list[Span]


def split_heads(query_heads: int, key_value_heads: int, dies: int) -> HeadSpans:
    """Heads over dies by key/value group; where dies outnumber the groups, a key/value head is held by several dies.

    Each die's query heads are a whole number per key/value head that it holds, so that head `h` of a die reads its
    key/value head `h // (query / key_value)`.

    Raises:
        SettingError: a die would be left without a query head.
    """
    group = query_heads // key_value_heads
    if dies <= key_value_heads:
        key_value = even_spans(key_value_heads, dies)
        return HeadSpans([(start * group, stop * group) for start, stop in key_value], key_value)
    query: list[Span] = []
    owners: list[Span] = []
    for head, (first, last) in enumerate(even_spans(dies, key_value_heads)):
        if last - first > group:
            raise SettingError(
                f"{query_heads} query heads in {key_value_heads} key/value groups do not split over {dies} dies; "
                f"use at most {_most_dies(query_heads, key_value_heads)} dies."
            )
        query += [(head * group + start, head * group + stop) for start, stop in even_spans(group, last - first)]
        owners += [(head, head + 1)] * (last - first)
    return HeadSpans(query, owners)


def _most_dies(query_heads: int, key_value_heads: int) -> int:
    """The largest number of dies that leaves none without a query head."""
    return key_value_heads * (query_heads // key_value_heads)
