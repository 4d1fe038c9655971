"""Decides what the next step feeds: a token of each sequence that decodes, and some of the prompts that wait.

Sequences are served in the order in which they came. The prefix of a prompt is looked up when its turn comes, not
before, so that prompts which came together share what the first of them has read. Where memory does not suffice, cached
prefixes go first, then the youngest sequence: it waits and is read again later.
"""

from __future__ import annotations

import itertools
from bisect import insort
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from tyllm.runtime.generation.result import FinishReason
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.scheduler.draft_costs import DraftCosts
from tyllm.runtime.scheduler.drafts import Drafts, LookupDrafts
from tyllm.runtime.scheduler.reading_pace import ReadingPace
from tyllm.runtime.scheduler.scheduled_sequence import ScheduledSequence
from tyllm.runtime.scheduler.slot_pool import SlotPool
from tyllm.runtime.scheduler.step_limits import StepLimits
from tyllm.runtime.step.model_runner import LogitsWanted, ScheduledChunk

Batch = list[tuple[ScheduledSequence, ScheduledChunk]]
Embed = Callable[[Prompt], Future[float]]
"""Begins to compute the embeddings of a prompt's images; the seconds that it takes."""
ALIKE = 16  # tokens at the beginning of two prompts, by which one waits for the other to be read
LOOK_AHEAD = 4
"""Sequences that wait whose images' embeddings are computed, or which may pass those before them meanwhile."""


class Scheduler:
    """The sequences that wait and those that run, which have slots.

    Attributes:
        waiting: in the order in which they came; a preempted one is in its old place.
        running: in the order in which they were admitted.
        ended: sequences that were taken out, with the reason: no memory for their next token, or images that failed.
        preemptions: how often a sequence had to give its slot up.
        costs: the times of steps, by which drafts that do not pay are left out; None to leave out none.
        pace: how many tokens of prompts go beside decoding sequences; it learns from the times of steps.
    """

    def __init__(
        self, pool: SlotPool, limits: StepLimits, max_num_seqs: int, embed: Embed, drafts: Drafts | None = None,
        costs: DraftCosts | None = None,
    ) -> None:  # fmt: skip
        self._pool, self._limits, self._most, self._embed = pool, limits, max_num_seqs, embed
        self._drafts, self.costs, self.pace = drafts or LookupDrafts(), costs, ReadingPace()
        self.waiting: list[ScheduledSequence] = []
        self.running: list[ScheduledSequence] = []
        self.ended: list[tuple[ScheduledSequence, FinishReason, Exception | None]] = []
        self.preemptions = 0
        self._turns = itertools.count()
        self._read_last = False  # whether the last step fed nothing but a prompt

    def add(self, sequence: ScheduledSequence) -> None:
        """Let a sequence wait for its turn."""
        insort(self.waiting, sequence, key=lambda each: each.order)

    def remove(self, sequence: ScheduledSequence) -> None:
        """Take a sequence out, whatever its state; its slot is free, with what it holds as a cached prefix."""
        if sequence.slot is None:
            self.waiting.remove(sequence)
            if sequence.embedding is not None:
                sequence.embedding.cancel()
            return
        self.running.remove(sequence)
        self._drafts.forget(sequence)
        self._pool.put_back(sequence.slot, sequence.fed_keys)
        sequence.slot = None

    def note_read(self, sequence: ScheduledSequence) -> None:
        """Let others share what a sequence holds, once all its tokens were read; told once is enough."""
        if not sequence.is_shared and sequence.slot is not None:
            self._pool.note(sequence.slot, sequence.fed_keys)
            sequence.is_shared = True

    def schedule(self) -> Batch:
        """The chunks of the next step, of different sequences; none where all wait for their images' embeddings."""
        decoding = sum(sequence.remaining == 1 for sequence in self.running)
        rows = self._limits.rows_beside(decoding)
        if rows:
            rows = self.pace.rows(decoding, rows, self._waiting_to_be_read())
        if not rows and not (decoding and self._read_last) and (alone := self._read_alone()):
            self._read_last = True
            return alone
        self._read_last = False
        batch = self._decoding()
        self._ride_along(batch, rows - sum(len(chunk.prompt) - 1 for _, chunk in batch))
        return batch

    def _waiting_to_be_read(self) -> int:
        """How many sequences have, or may have, a slot and no text yet."""
        reading = sum(sequence.remaining > 1 for sequence in self.running)
        return reading + min(len(self.waiting), self._most - len(self.running))

    def _decoding(self) -> Batch:
        """The next token of each sequence that has one, where memory allows; of too many, those who waited longest.

        The oldest come first: who is preempted for another has not been chosen yet.
        """
        batch: Batch = []
        decoding = [each for each in self.running if each.remaining == 1]
        if len(decoding) > (most := self._limits.decoding(len(decoding))):
            decoding = sorted(decoding, key=lambda each: each.turn)[:most]
            for sequence in decoding:
                sequence.turn = next(self._turns)
        decoding.sort(key=lambda each: each.order)
        is_due = self.costs is not None and self.costs.is_due(len(decoding))
        drafts = self._drafts.draft(decoding, 0 if is_due else self._limits.drafted(len(decoding)))
        for sequence, drafted in zip(decoding, drafts, strict=True):
            if self._grow(sequence, self._limits.padded(1 + len(drafted))):
                batch.append((sequence, self._with_draft(self._chunk(sequence, 1), drafted)))
        return batch

    def _with_draft(self, chunk: ScheduledChunk, drafted: list[int]) -> ScheduledChunk:
        """A chunk with the tokens that are verified behind its own."""
        if not drafted:
            return chunk
        return replace(chunk, prompt=Prompt([*chunk.prompt.tokens, *drafted]), logits="all")

    def _ride_along(self, batch: Batch, rows: int) -> None:
        """Add up to `rows` tokens of prompts to a step; there is memory for them since they were admitted."""
        while rows > 0 and (sequence := self._next_to_read(batch)) is not None:
            assert sequence.slot is not None  # it is running
            count = min(rows, sequence.remaining)
            if not self._pool.grow(sequence.slot, len(sequence.slot) + count):
                return
            batch.append((sequence, chunk := self._chunk(sequence, count)))
            rows -= len(chunk.prompt)

    def _read_alone(self) -> Batch:
        """The largest chunk of the prompt whose turn it is."""
        while (sequence := self._next_to_read([])) is not None:
            assert sequence.slot is not None  # it was admitted
            others = len(self.running) > 1
            count = self._limits.alone(sequence.remaining, sequence.slot.rows_left, beside_others=others)
            if self._grow(sequence, self._limits.padded(count)):
                return [(sequence, self._chunk(sequence, count))]
        return []

    def _next_to_read(self, batch: Batch) -> ScheduledSequence | None:
        """The sequence whose prompt is read next, admitted now if it has waited."""
        taken = {id(sequence) for sequence, _ in batch}
        reading = (each for each in self.running if each.remaining > 1 and id(each) not in taken)
        return next(reading, None) or self._admit(batch)

    def _admit(self, batch: Batch) -> ScheduledSequence | None:
        """Give the first sequence that waits a slot, if there is one and memory for its tokens and their padding.

        One that begins as a prompt does which this step reads waits for the next: it will find all of that.
        """
        if len(self.running) >= self._most:
            return None
        sequence = next((each for each in self.waiting[:LOOK_AHEAD] if self._is_ready(each)), None)
        if sequence is None:
            return None
        if any(_begin_alike(sequence, other) for other, _ in batch if not other.is_shared):
            return None
        if (error := sequence.embedding_error) is not None:
            self._take_out(sequence, "error", error)
            return None
        keys, whole = sequence.keys if sequence.may_reuse else sequence.keys[:1], sequence.whole
        slot = self._pool.take(keys, whole, self._limits.spare)
        if slot is None:
            if not self.running:  # it was running before and has grown too long to be read again
                self._take_out(sequence, "cache_full")
            return None
        self.waiting.remove(sequence)
        self.running.append(sequence)
        sequence.take_slot(slot)
        return sequence

    def _is_ready(self, sequence: ScheduledSequence) -> bool:
        """Whether the embeddings are there of all images that must be fed; else they are computed from now on."""
        if sequence.state.prompt.inserts and sequence.embedding is None:
            kept = self._pool.cached_length(sequence.keys, sequence.whole) if sequence.may_reuse else 0
            rest = sequence.state.prompt[kept:]
            sequence.embedding = self._embed(rest) if rest.inserts else _nothing()
        return sequence.embedding is None or sequence.embedding.done()

    def _grow(self, sequence: ScheduledSequence, count: int) -> bool:
        """See that a sequence has memory for so many more tokens; the youngest one is preempted where it must be."""
        while sequence.slot is not None:
            if self._pool.grow(sequence.slot, len(sequence.slot) + count):
                return True
            if len(self.running) == 1:
                self._take_out(sequence, "cache_full")
            else:
                self._preempt(max(self.running, key=lambda each: each.order))
        return False

    def _take_out(self, sequence: ScheduledSequence, reason: FinishReason, error: Exception | None = None) -> None:
        """End a sequence that cannot go on."""
        self.remove(sequence)
        self.ended.append((sequence, reason, error))

    def _preempt(self, sequence: ScheduledSequence) -> None:
        """Take a sequence's slot and memory; it waits in its old place."""
        assert sequence.slot is not None  # it is running
        self.preemptions += 1
        self.running.remove(sequence)
        self._drafts.forget(sequence)
        self._pool.evict(sequence.slot)
        sequence.slot = None
        self.add(sequence)

    def _chunk(self, sequence: ScheduledSequence, count: int) -> ScheduledChunk:
        """The next tokens of a sequence, `count` at most; logits are wanted after the last of all."""
        assert sequence.slot is not None  # it is running
        start = len(sequence.slot)
        if sequence.scores_prompt:
            count = min(count, self._limits.scored_rows)
        part = sequence.part(start, count)
        whole = start + len(part) == sequence.length
        logits: LogitsWanted = "all" if sequence.scores_prompt else "last" if whole else "none"
        return ScheduledChunk(sequence.slot.lease, part, logits)


def _begin_alike(first: ScheduledSequence, second: ScheduledSequence) -> bool:
    """Whether the prompts of two sequences that may share have a beginning in common that is worth a copy."""
    return first.keys[: 1 + ALIKE] == second.keys[: 1 + ALIKE]


def _nothing() -> Future[float]:
    """Of images that need not be computed."""
    done: Future[float] = Future()
    done.set_result(0.0)
    return done
