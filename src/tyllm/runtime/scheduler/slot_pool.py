"""The slots of the KV cache: who gets which, what stays in them as cached prefixes, and how much memory they take."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from itertools import takewhile

from tyllm.runtime.cache.copy_prefix import copy_prefix
from tyllm.runtime.cache.kv_memory import KvMemory
from tyllm.runtime.cache.prefix_tree import PrefixTree
from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.execute.engine import Engine
from tyllm.runtime.prompt.prompt import UNKNOWN, Prompt

TAIL = 16  # tokens behind a common prefix that are not worth keeping when a slot is continued

GROWTH = 64  # tokens, for which a slot gets memory at a time


class SlotPool:
    """Gives slots to sequences and takes them back with what they hold, the least recently used first to go.

    A slot's memory is counted by the most tokens that it has had since its memory was last given back to the system.

    Attributes:
        budget: bytes that all slots may take together.
    """

    def __init__(self, engine: Engine, slots: Sequence[CacheSlot], memory: KvMemory, budget: int) -> None:
        self._engine, self._slots, self._memory, self.budget = engine, slots, memory, budget
        self._free = OrderedDict((slot.number, slot) for slot in slots)  # the least recently used first
        self._tree = PrefixTree()
        self._touched = dict.fromkeys(self._free, 0)  # tokens for which a slot takes memory

    @property
    def used_bytes(self) -> int:
        """Bytes that the slots take."""
        return sum(map(self._memory.bytes_of, self._touched.values()))

    @property
    def free_slots(self) -> int:
        """How many slots no sequence has; they may hold cached prefixes."""
        return len(self._free)

    def fits(self, tokens: int) -> bool:
        """Whether so many tokens fit where nothing else is in memory."""
        return self._memory.bytes_of(tokens) <= self.budget

    def cached_length(self, keys: Sequence[Hashable], prompt: Prompt) -> int:
        """How many of a prompt's first tokens some slot holds; all but the last are of use."""
        return self._best(keys, prompt)[1]

    def take(self, keys: Sequence[Hashable], prompt: Prompt, spare: int) -> CacheSlot | None:
        """A slot that holds as much of a prompt's beginning as any does; it is the caller's until it is put back.

        Args:
            keys: the prompt's, one before those of its tokens that says with whom it may share.
            prompt: its tokens; all but the last are taken from what the slots hold.
            spare: tokens for which there must be memory beside those of the prompt.

        Returns:
            None where slots or memory do not suffice without taking them from other sequences.
        """
        source, kept = self._best(keys, prompt)
        target = self._with_room(source, kept, len(prompt) + spare)
        if target is None:
            return None
        if source is not None and target is not source:
            target.rewind(0)
            copy_prefix(self._engine, source.number, target.number, kept)
            target.prefix.extend(prompt[:kept])
        else:
            target.rewind(kept)
        _assign_positions(target, prompt)
        del self._free[target.number]
        self.note(target, keys[: kept + 1])
        self._touched[target.number] = max(self._touched[target.number], len(prompt) + 1)
        return target

    def grow(self, slot: CacheSlot, tokens: int) -> bool:
        """See that a slot in use may have so many tokens, where cached prefixes can be evicted for it."""
        if tokens <= self._touched[slot.number]:
            return True
        for count in (-(-tokens // GROWTH) * GROWTH, tokens):
            if self._make_room(slot, count, None):
                self._touched[slot.number] = count
                return True
        return False

    def note(self, slot: CacheSlot, keys: Sequence[Hashable]) -> None:
        """Say what a slot holds now, for others to share."""
        if len(keys) > 1:
            self._tree.insert(slot.number, keys)
        else:
            self._tree.remove(slot.number)

    def put_back(self, slot: CacheSlot, keys: Sequence[Hashable]) -> None:
        """Take a slot back with what it holds, which was used just now."""
        self.note(slot, keys)
        self._free[slot.number] = slot

    def evict(self, slot: CacheSlot) -> None:
        """Forget what a slot holds and give its memory back; a slot in use is free then, and used next."""
        self._tree.remove(slot.number)
        slot.rewind(0)
        self._engine.release_slot(slot.number)
        self._touched[slot.number] = 0
        self._free[slot.number] = slot
        self._free.move_to_end(slot.number, last=False)

    def evict_all(self) -> None:
        """Forget all cached prefixes of slots that no sequence has."""
        for slot in list(self._free.values()):
            self.evict(slot)

    def cached_slots(self) -> list[int]:
        """The free slots with prefixes that anybody may share, and that no other of them has too."""
        held = {number: self._tree.held(number) for number in self._free}
        found = []
        for number, keys in held.items():
            _, holders = self._tree.match(keys)
            longer = [n for n in holders if (len(held.get(n, ())), n) > (len(keys), number)]
            if keys and keys[0] is None and not longer:
                found.append(number)
        return found

    def save(self, number: int) -> tuple[int, bytes] | None:
        """The number of tokens in a free slot, and what `CacheSlot.save` gives; None where it has none by now."""
        slot = self._free.get(number)
        return (len(slot), slot.save()) if slot is not None and len(slot) else None

    def restore(self, saved: bytes) -> int:
        """Take a prefix that was saved into an empty slot, where there is memory; its number of tokens, else 0.

        Raises:
            GenerationError: it is damaged, or another package saved it.
        """
        slot = next((slot for slot in self._free.values() if not len(slot)), None)
        tokens = self._memory.tokens_in(len(saved))
        if slot is None or self.used_bytes + self._memory.bytes_of(tokens) > self.budget:
            return 0
        slot.restore(saved)
        self._touched[slot.number] = max(self._touched[slot.number], len(slot))
        keys: list[Hashable] = [None, *takewhile(lambda key: key != UNKNOWN, slot.prefix.keys)]
        self.note(slot, keys)
        self._free.move_to_end(slot.number)
        return len(slot)

    @property
    def max_saved_bytes(self) -> int:
        """The most bytes that `save` gives."""
        return self._slots[0].max_saved_bytes

    def _best(self, keys: Sequence[Hashable], prompt: Prompt) -> tuple[CacheSlot | None, int]:
        """The slot with the longest common prefix, a free one if there is, and that prefix's length."""
        matched, holders = self._tree.match(keys[:-1])
        slots = sorted((self._slots[number] for number in holders), key=lambda slot: slot.number not in self._free)
        lengths = [(slot, min(matched - 1, len(slot), slot.positions.shared_length(prompt))) for slot in slots]
        slot, kept = max(lengths, key=lambda pair: pair[1], default=(None, 0))
        return (slot, kept) if kept > 0 else (None, 0)

    def _with_room(self, source: CacheSlot | None, kept: int, tokens: int) -> CacheSlot | None:
        """The slot to use, with room for so many tokens; the one with the prefix where there is none beside it."""
        target = self._target(source, kept)
        if target is not None and self._make_room(target, tokens, source):
            return target
        if source is not None and source.number in self._free and self._make_room(source, tokens, None):
            return source
        return None

    def _target(self, source: CacheSlot | None, kept: int) -> CacheSlot | None:
        """The one with the prefix, unless it has more that is worth keeping; else an empty one, or the oldest."""
        if source is not None and source.number in self._free and len(source) - kept <= TAIL:
            return source
        others = [slot for slot in self._free.values() if slot is not source]
        if not others:
            return source if source is not None and source.number in self._free else None
        return next((slot for slot in others if not len(slot)), others[0])

    def _make_room(self, slot: CacheSlot, tokens: int, spared: CacheSlot | None) -> bool:
        """Evict cached prefixes, the oldest first, until a slot may have `tokens`; nothing where that is not enough."""
        touched = self._touched
        need = self._memory.bytes_of(max(tokens, touched[slot.number]))
        others = [each for each in self._free.values() if each is not slot and each is not spared]
        excess = self.used_bytes - self._memory.bytes_of(touched[slot.number]) + need - self.budget
        chosen = []
        for each in others:
            if excess <= 0:
                break
            if touched[each.number]:
                chosen.append(each)
                excess -= self._memory.bytes_of(touched[each.number])
        if excess > 0:
            return False
        for each in chosen:
            self.evict(each)
        return True


def _assign_positions(slot: CacheSlot, prompt: Prompt) -> None:
    """Say where a prompt's tokens stand, and that all behind them count on, whatever the slot has held before."""
    slot.positions.assign(0, prompt)
    rest = slot.limit - len(prompt)
    if rest > 0:
        slot.positions.assign(len(prompt), Prompt([0] * rest))
