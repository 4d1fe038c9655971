"""The engine of many requests: `add`, `abort` and `step`, in one thread and without a clock of its own.

What a request is given does not depend on those beside it, and what goes wrong with it ends it alone.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tyllm.runtime.generation.log_probs import logprobs_of
from tyllm.runtime.generation.result import FinishReason, TokenLogprob
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.scheduler.scheduled_sequence import ScheduledSequence
from tyllm.runtime.scheduler.scheduler import Batch, Scheduler
from tyllm.runtime.scheduler.sequence_update import SequenceUpdate
from tyllm.runtime.step.model_runner import Logits, ModelRunner, ScheduledChunk
from tyllm_base.doors import explained, passes
from tyllm_base.errors import GenerationError, TyllmError
from tyllm_base.panics import is_failure

LEAST_KEPT = 64
"""Deadlines before those of sequences that have ended are looked for."""


class EngineCore:
    """Sequences of requests, all over one model runner; for one thread at a time.

    Attributes:
        scheduler: decides what a step feeds.
        is_stalled: whether the last step fed nothing, since all that wait need embeddings that are being computed.
    """

    def __init__(self, runner: ModelRunner, scheduler: Scheduler) -> None:
        self._runner, self.scheduler = runner, scheduler
        self._live: dict[str, list[ScheduledSequence]] = {}
        self._deadlines: list[tuple[float, int, ScheduledSequence]] = []
        self._most_deadlines = LEAST_KEPT
        self._arrivals = itertools.count()
        self._updates: list[SequenceUpdate] = []
        self.is_stalled = False

    @property
    def has_work(self) -> bool:
        """Whether a sequence is not finished, or an update has not been told."""
        return bool(self._live or self._updates)

    def add(self, sequences: Sequence[ScheduledSequence]) -> None:
        """Let the sequences of a request wait for their turn."""
        for sequence in sequences:
            sequence.order = next(self._arrivals)
            self._live.setdefault(sequence.request_id, []).append(sequence)
            self.scheduler.add(sequence)
            if sequence.deadline < float("inf"):
                heapq.heappush(self._deadlines, (sequence.deadline, sequence.order, sequence))
        if len(self._deadlines) > self._most_deadlines:
            self._drop_deadlines()

    def _drop_deadlines(self) -> None:
        """Let go of sequences that ended long before their deadlines."""
        self._deadlines = [each for each in self._deadlines if not each[2].state.finished]
        heapq.heapify(self._deadlines)
        self._most_deadlines = 2 * len(self._deadlines) + LEAST_KEPT

    def abort(self, request_id: str, reason: FinishReason = "abort") -> None:
        """End a request, whatever it is doing; nothing where it has ended already."""
        for sequence in list(self._live.get(request_id, ())):
            self._end(sequence, reason)

    def fail_all(self, error: TyllmError) -> list[SequenceUpdate]:
        """End all requests with an error; the updates that say so, and those that were not told."""
        for sequence in [each for group in self._live.values() for each in group]:
            self._end(sequence, "error", error)
        updates, self._updates = self._updates, []
        return updates

    def step(self) -> list[SequenceUpdate]:
        """Run one step; what it brought, and the ends since the last one."""
        while self._deadlines and self._deadlines[0][0] <= time.monotonic():
            self._end(heapq.heappop(self._deadlines)[2], "timeout")
        started = time.perf_counter()
        batch = self.scheduler.schedule()
        self.is_stalled = not batch and bool(self._live)
        for sequence, reason, error in self.scheduler.ended:
            self._leave(sequence)
            self._tell_end(sequence, reason, error)
        self.scheduler.ended.clear()
        drafted = [len(chunk.prompt) - 1 for sequence, chunk in batch if sequence.remaining == 1]
        found, costs = self._run(batch), [0.0] * len(batch)
        seconds = time.perf_counter() - started
        if drafted and not sum(drafted):
            read = sum(len(chunk.prompt) for _, chunk in batch) - len(drafted)
            self.scheduler.pace.note(len(drafted), read, seconds)
        if drafted and len(drafted) == len(batch) and self.scheduler.costs is not None:
            costs = self.scheduler.costs.note(drafted, seconds)
        for (sequence, _), logits, cost in zip(batch, found, costs, strict=True):
            self._take(sequence, logits, cost)
        updates, self._updates = self._updates, []
        return updates

    def _run(self, batch: Batch) -> list[Logits | Exception]:
        """The logits of each chunk; where a step fails, each chunk by itself and without a draft: whose fault it is."""
        if not batch:
            return []
        lengths = [len(chunk.slot) for _, chunk in batch]
        try:
            return list(self._runner.step([chunk for _, chunk in batch]))
        except Exception as error:
            failed = error
        for (_, chunk), length in zip(batch, lengths, strict=True):
            with chunk.slot.lock:
                chunk.slot.prefix.truncate(length)
        plain = [_without_draft(sequence, chunk) for sequence, chunk in batch]
        if len(batch) == 1 and plain[0] is batch[0][1]:
            return [failed]
        return [self._run_alone(chunk) for chunk in plain]

    def _run_alone(self, chunk: ScheduledChunk) -> Logits | Exception:
        """The logits of one chunk, in steps that the programs for one sequence take."""
        longest, prompt = self._runner.seq_lens[-1], chunk.prompt
        parts = [replace(chunk, prompt=prompt[at : at + longest]) for at in range(0, len(prompt), longest)]
        if chunk.logits == "last":
            parts = [*(replace(part, logits="none") for part in parts[:-1]), parts[-1]]
        try:
            return np.concatenate([self._runner.step([part])[0] for part in parts])
        except Exception as error:
            return error

    def _take(self, sequence: ScheduledSequence, logits: Logits | Exception, cost: float) -> None:
        """Let a sequence take the logits float32 [n, V] of its chunk, or end with what went wrong; see `_pick`."""
        if isinstance(logits, Exception):
            self._end(sequence, "error", logits)
            return
        try:
            if sequence.scores_prompt:
                self._score(sequence, logits)
            if sequence.remaining <= 0:
                self._pick(sequence, logits, cost)
        except BaseException as error:  # of a logits processor above all, which is the caller's own function
            self._end(sequence, "error", _failure(error))

    def _pick(self, sequence: ScheduledSequence, logits: Logits, cost: float) -> None:
        """Let a sequence pick its next token and, for as long as those are what was drafted, the ones after it.

        What is picked is what would be picked without a draft, whatever the sampling: a draft is one token with all the
        probability, and is accepted where that is the one that is drawn (Leviathan et al., arXiv 2211.17192).

        Args:
            sequence: all of it was fed, and a draft of n tokens behind it.
            logits: float32 [..., V], after its last token and after each of the draft.
            cost: of the draft, in tokens.
        """
        state, slot = sequence.state, sequence.slot
        assert slot is not None  # it has just been fed
        drafted, picked = slot.prefix.tokens[sequence.length :], list[int]()
        with slot.lock:
            slot.prefix.truncate(sequence.length)
        for row, expected in zip(logits[-1 - len(drafted) :], [*drafted, None], strict=True):
            self._accept(sequence, row)
            picked.append(state.result.token_ids[-1])
            if state.finished or picked[-1] != expected:
                break
            with slot.lock:
                slot.prefix.extend(Prompt(picked[-1:]))
        if sequence.drafter is not None:
            state.result.timings.drafted_tokens += len(drafted)
            state.result.timings.accepted_tokens += sequence.drafter.learn(drafted, picked, cost)

    def _accept(self, sequence: ScheduledSequence, logits: Logits) -> None:
        """Let a sequence pick its next token."""
        self.scheduler.note_read(sequence)
        state, first = sequence.state, not sequence.state.result.token_ids
        text = state.accept(logits)
        sequence.count_time()
        if state.finished:
            self._forget(sequence)
        self._updates.append(
            SequenceUpdate(
                sequence.request_id, sequence.index, state.result, text,
                state.result.token_ids[-1:], state.result.logprobs[-1:], state.finished,
                prompt_logprobs=sequence.prompt_logprobs if first and sequence.score_top is not None else None,
            )
        )  # fmt: skip

    def _score(self, sequence: ScheduledSequence, logits: Logits) -> None:
        """Note the log-probabilities of the prompt's tokens that follow those of a chunk."""
        assert sequence.score_top is not None and sequence.slot is not None  # else there are no such logits
        tokens, start = sequence.state.prompt.tokens, len(sequence.slot) - len(logits)
        scored = tokens[start + 1 : start + 1 + len(logits)]
        found = logprobs_of(logits[: len(scored)], scored, sequence.score_top)
        for token, (own, top) in zip(scored, found, strict=True):
            sequence.prompt_logprobs.append(TokenLogprob(token, own, top))

    def _end(self, sequence: ScheduledSequence, reason: FinishReason, error: Exception | None = None) -> None:
        """End a sequence from outside, unless it has ended."""
        if not sequence.state.finished:
            self._forget(sequence)
            self._tell_end(sequence, reason, error)

    def _forget(self, sequence: ScheduledSequence) -> None:
        """Let go of a sequence; its slot is free."""
        self.scheduler.remove(sequence)
        self._leave(sequence)

    def _leave(self, sequence: ScheduledSequence) -> None:
        group = self._live[sequence.request_id]
        group.remove(sequence)
        if not group:
            del self._live[sequence.request_id]

    def _tell_end(self, sequence: ScheduledSequence, reason: FinishReason, error: Exception | None = None) -> None:
        """Finish a sequence that the scheduler has let go of."""
        text = sequence.state.end(reason)
        told = error if error is None or passes(error) else explained(error, TyllmError)
        result = sequence.state.result
        self._updates.append(
            SequenceUpdate(sequence.request_id, sequence.index, result, text, finished=True, error=told)
        )


def _failure(error: BaseException) -> Exception:
    """What a request ends with whose sequence could not go on; an exit in the engine's thread would end all others."""
    if isinstance(error, Exception):
        return error
    if is_failure(error):
        return explained(error, TyllmError)
    return GenerationError(
        f"A logits processor raised {type(error).__name__}, which ends no engine; raise an exception of your own."
    )


def _without_draft(sequence: ScheduledSequence, chunk: ScheduledChunk) -> ScheduledChunk:
    """A chunk that is not fed yet, with no more than the sequence's own tokens."""
    own = chunk.prompt[: sequence.remaining]
    return chunk if len(own) == len(chunk.prompt) else replace(chunk, prompt=own, logits="last")
