"""A radix tree over what the slots hold: which of them share how long a prefix with a prompt."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

Keys = Sequence[Hashable]


@dataclass
class _Node:
    """`edge` leads here from the node above; `holders` have all keys up to its end, and perhaps more."""

    edge: tuple[Hashable, ...]
    holders: set[int]
    children: dict[Hashable, _Node] = field(default_factory=dict)


class PrefixTree:
    """Sequences of keys by their holders, small numbers; each has one. Nodes that nobody holds are gone."""

    def __init__(self) -> None:
        self._root = _Node((), set())
        self._held: dict[int, tuple[Hashable, ...]] = {}

    def insert(self, holder: int, keys: Keys) -> None:
        """Say what a holder has, in the place of what it had."""
        held = tuple(keys)
        if self._held.get(holder) == held:
            return
        self.remove(holder)
        self._held[holder] = held
        node, at = self._root, 0
        while at < len(held):
            child = node.children.get(held[at])
            if child is None:
                node.children[held[at]] = _Node(held[at:], {holder})
                return
            count = _common(child.edge, held, at)
            if count < len(child.edge):
                child = node.children[held[at]] = _split(child, count)
            child.holders.add(holder)
            node, at = child, at + count

    def remove(self, holder: int) -> None:
        """Forget a holder and what only it has; nothing where it has nothing."""
        held, node, at = self._held.pop(holder, ()), self._root, 0
        while at < len(held):
            child = node.children[held[at]]
            child.holders.discard(holder)
            if not child.holders:
                del node.children[held[at]]
                return
            node, at = child, at + len(child.edge)

    def held(self, holder: int) -> tuple[Hashable, ...]:
        """What a holder has; nothing where it has nothing."""
        return self._held.get(holder, ())

    def match(self, keys: Keys) -> tuple[int, frozenset[int]]:
        """The length of the longest prefix of `keys` that anybody holds, and all its holders; (0, {}) for none."""
        wanted, node, at, holders = tuple(keys), self._root, 0, frozenset[int]()
        while at < len(wanted) and (child := node.children.get(wanted[at])) is not None:
            count = _common(child.edge, wanted, at)
            at, holders = at + count, frozenset(child.holders)
            if count < len(child.edge):
                break
            node = child
        return at, holders


def _split(node: _Node, count: int) -> _Node:
    """A new node after the first `count` keys of a node's edge, with the rest below it."""
    above = _Node(node.edge[:count], set(node.holders), {node.edge[count]: node})
    node.edge = node.edge[count:]
    return above


def _common(edge: tuple[Hashable, ...], keys: tuple[Hashable, ...], start: int) -> int:
    """How many keys of an edge agree with `keys` from `start` on; halves are compared, since tuples compare fast."""
    low, high = 0, min(len(edge), len(keys) - start)
    while low < high:
        middle = (low + high + 1) // 2
        if edge[low:middle] == keys[start + low : start + middle]:
            low = middle
        else:
            high = middle - 1
    return low
