"""Drafts by a second, smaller model, which follows the sequences of the engine in slots of its own.

It is always greedy: what it drafts is verified, and its likeliest tokens are those that are picked most often.
Speculative decoding: Leviathan et al., arXiv 2211.17192.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.generation.drafter import shared_length
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.scheduler.scheduled_sequence import ScheduledSequence
from tyllm.runtime.scheduler.slot_pool import SlotPool
from tyllm.runtime.step.model_runner import ModelRunner, ScheduledChunk
from tyllm.runtime.step.prefill import schedule_chunks

LEAST_READ = 32
"""Tokens of a prompt that are read in one step, or more where a program takes more."""


@dataclass
class Follower:
    """What the draft model holds of a sequence.

    Attributes:
        slot: where its tokens are cached, and drafted ones behind them.
        settled: tokens of the slot that are known to be the sequence's.
    """

    slot: CacheSlot
    settled: int

    def pending(self, sequence: ScheduledSequence) -> list[int]:
        """The sequence's tokens that are not fed, once those that were drafted in vain are forgotten."""
        tokens = sequence.tokens_from(self.settled)
        right = shared_length(self.slot.prefix.tokens[self.settled :], tokens)
        with self.slot.lock:
            self.slot.prefix.truncate(self.settled + right)
        self.settled += right
        return tokens[right:]


@dataclass
class Draft:
    """A draft under way.

    Attributes:
        follower: of the sequence.
        count: tokens that are wanted.
        fed: what is fed next.
        tokens: what has been drafted.
    """

    follower: Follower
    count: int
    fed: ScheduledChunk
    tokens: list[int]


class DraftModel:
    """Drafts for sequences whose prompts are tokens that both models know; others are left alone.

    Whatever goes wrong ends drafting for good, with a warning, and harms no sequence.
    """

    def __init__(self, runner: ModelRunner, pool: SlotPool, vocab_size: int) -> None:
        """Take a model.

        Args:
            runner: of the draft package; nobody else may use it.
            pool: its slots, one at least for each sequence that runs.
            vocab_size: of the package that verifies; tokens beyond it are not drafted.
        """
        self._runner, self._pool = runner, pool
        self._spare = runner.seq_lens[-1]
        self._most_read = max(LEAST_READ, self._spare)
        self._vocab_size = min(vocab_size, runner.manifest.vocab_size)
        self._followers: dict[ScheduledSequence, Follower] = {}
        self.error: Exception | None = None

    def draft(self, sequences: Sequence[ScheduledSequence], most: int) -> list[list[int]]:
        """As `Drafts.draft`."""
        wanted = []
        for sequence in sequences:
            wanted.append(sequence.draft_count(most) if self.error is None else 0)
            most -= wanted[-1]
        try:
            drafts = [
                self._begin(sequence, count) if count else None
                for sequence, count in zip(sequences, wanted, strict=True)
            ]
            self._run([draft for draft in drafts if draft is not None])
        except Exception as error:
            self._stop(error)
            return [[] for _ in sequences]
        return [draft.tokens if draft is not None else [] for draft in drafts]

    def forget(self, sequence: ScheduledSequence) -> None:
        """Let go of a sequence; what its slot holds may serve another that begins as it does."""
        follower = self._followers.pop(sequence, None)
        if follower is not None and self.error is None:
            self._pool.put_back(follower.slot, _keys(sequence, follower.slot))

    def _stop(self, error: Exception) -> None:
        """Draft no more."""
        self.error = error
        self._followers.clear()
        logging.getLogger(__name__).warning("The draft model failed, and requests go on without drafts: %s", error)

    def _begin(self, sequence: ScheduledSequence, count: int) -> Draft | None:
        """Feed what a sequence has more than its follower, but for the last chunk; of a long prompt a part.

        Returns:
            The draft with that chunk; None where there is more to be read, or the sequence cannot be followed.
        """
        follower = self._followers.get(sequence) or self._follow(sequence)
        if follower is None:
            return None
        tokens, slot = follower.pending(sequence), follower.slot
        if not self._knows(tokens):
            self.forget(sequence)
            sequence.drafter = None
            return None
        last = sequence.length + count - 1
        if last > slot.limit or not self._pool.grow(slot, last + self._spare):
            return None
        chunks = schedule_chunks(slot.lease, Prompt(tokens[: self._most_read]), self._runner)
        behind = len(tokens) > self._most_read
        for chunk in chunks if behind else chunks[:-1]:
            self._runner.step([replace(chunk, logits="none")])
        if behind:
            self._pool.note(slot, _keys(sequence, slot))
            return None
        return Draft(follower, count, chunks[-1], [])

    def _follow(self, sequence: ScheduledSequence) -> Follower | None:
        """Follow a sequence from now on, from what a slot holds of it; None where it cannot be, or there is no room."""
        whole = Prompt(sequence.tokens_from(0))
        if sequence.state.prompt.inserts or not self._knows(whole.tokens):
            sequence.drafter = None
            return None
        if len(whole) > self._runner.manifest.max_kv_cache_size:
            return None
        slot = self._pool.take([sequence.salt, *whole.tokens], whole, self._spare)
        if slot is None:
            return None
        follower = self._followers[sequence] = Follower(slot, len(slot))
        return follower

    def _knows(self, tokens: Sequence[int]) -> bool:
        """Whether both models know these tokens; none stands for an embedding."""
        return min(tokens, default=0) >= 0 and max(tokens, default=0) < self._vocab_size

    def _run(self, drafts: list[Draft]) -> None:
        """Draft a token for each of several sequences at a time."""
        while drafts:
            for group in self._together(drafts):
                logits = self._runner.step([draft.fed for draft in group])
                for draft, rows in zip(group, logits, strict=True):
                    draft.tokens.append(int(rows[-1, : self._vocab_size].argmax()))
            drafts = [draft for draft in drafts if len(draft.tokens) < draft.count]
            for draft in drafts:
                draft.fed = ScheduledChunk(draft.follower.slot.lease, Prompt(draft.tokens[-1:]))

    def _together(self, drafts: Sequence[Draft]) -> Iterator[list[Draft]]:
        """Drafts whose next tokens one program takes."""
        group: list[Draft] = []
        for draft in drafts:
            if group and sum(len(each.fed.prompt) for each in [*group, draft]) > self._runner.max_batch_rows:
                yield group
                group = []
            group.append(draft)
        yield group


def _keys(sequence: ScheduledSequence, slot: CacheSlot) -> list[Hashable]:
    """What a sequence's slot holds, for others to compare with."""
    return [sequence.salt, *slot.prefix.keys]
