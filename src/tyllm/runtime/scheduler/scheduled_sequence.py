"""A sequence on its way through the scheduler: it waits, its prompt is read, it decodes, it ends."""

from __future__ import annotations

import time
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field

from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.generation.drafter import Drafter
from tyllm.runtime.generation.result import TokenLogprob
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.prompt.prompt import UNKNOWN, Prompt


@dataclass(eq=False)
class ScheduledSequence:
    """One text of a request.

    Attributes:
        state: its tokens and its text.
        request_id: whose it is.
        index: which of the request's texts.
        salt: only sequences of the same one share prefixes.
        deadline: when it ends at the latest, by `time.monotonic`.
        order: the order of arrival; the one with the greatest is the youngest.
        slot: where its tokens are cached; None while it waits.
        embedding: its images' embeddings under way.
        arrived: when it came, by `time.perf_counter`.
        resumed: since when its prompt is read, likewise; 0 before.
        turn: when it was fed last while it decoded; who has the least is next where not all can be.
        is_shared: whether others know what its slot holds.
        score_top: likeliest tokens to tell beside each of the prompt's; None where the prompt is not scored.
        prompt_logprobs: those of the prompt's tokens but the first, as far as it was read.
        drafter: says how many of its next tokens are drafted, to be verified together; None where nothing is.
    """

    state: SequenceState
    request_id: str
    index: int
    salt: Hashable
    deadline: float
    order: int = 0
    slot: CacheSlot | None = None
    embedding: Future[float] | None = None
    arrived: float = field(default_factory=time.perf_counter)
    resumed: float = 0.0
    turn: int = 0
    is_shared: bool = False
    score_top: int | None = None
    prompt_logprobs: list[TokenLogprob] = field(default_factory=list)
    drafter: Drafter | None = None

    def __post_init__(self) -> None:
        keys = self.state.prompt.keys()
        self._keys: list[Hashable] = [self.salt, *keys[: keys.index(UNKNOWN) if UNKNOWN in keys else None]]
        self._knows_all = len(self._keys) == len(keys) + 1

    @property
    def scores_prompt(self) -> bool:
        """Whether the log-probabilities of the prompt's tokens are wanted of it, and not there yet."""
        return self.score_top is not None and len(self.prompt_logprobs) < len(self.state.prompt) - 1

    @property
    def embedding_error(self) -> Exception | None:
        """Why its images cannot be used."""
        error = self.embedding.exception() if self.embedding is not None else None
        return error if isinstance(error, Exception) else None

    @property
    def may_reuse(self) -> bool:
        """Whether its prompt may begin with what a slot holds: not where each of its tokens is to be scored."""
        return not self.scores_prompt

    def take_slot(self, slot: CacheSlot) -> None:
        """Go on in a slot of its own, which holds a part of its tokens."""
        self.slot, self.state.lease, self.is_shared = slot, slot.lease, False
        timings, kept = self.state.result.timings, len(slot)
        if self.scores_prompt:
            self.prompt_logprobs.clear()
        if not self.resumed:
            self.resumed = time.perf_counter()
            timings.prompt_tokens, timings.cached_tokens = len(self.state.prompt) - kept, kept
            timings.queue_seconds = self.resumed - self.arrived
            timings.image_seconds = self.state.prompt.seconds + (self.embedding.result() if self.embedding else 0.0)
            self.state.result.notes = self.state.prompt[kept:].notes

    @property
    def length(self) -> int:
        """Tokens of prompt and text."""
        return len(self.state.prompt) + len(self.state.result.token_ids)

    @property
    def remaining(self) -> int:
        """Tokens that are not fed; one while it decodes."""
        return self.length - (len(self.slot) if self.slot is not None else 0)

    @property
    def whole(self) -> Prompt:
        """Prompt and text as one prompt."""
        prompt, text = self.state.prompt, self.state.result.token_ids
        return Prompt([*prompt.tokens, *text], prompt.inserts, prompt.rope_positions) if text else prompt

    @property
    def keys(self) -> list[Hashable]:
        """What others compare with: the salt, then the identity of each token up to the first that has none."""
        return self._keys + self.state.result.token_ids if self._knows_all else self._keys

    @property
    def fed_keys(self) -> list[Hashable]:
        """The same of what its slot holds."""
        return self.keys[: 1 + (len(self.slot) if self.slot is not None else 0)]

    def count_time(self) -> None:
        """Note the time until the first new token, and since then."""
        now, timings = time.perf_counter(), self.state.result.timings
        if timings.new_tokens == 1:
            timings.prompt_seconds = now - self.resumed
        timings.decode_seconds = now - self.resumed - timings.prompt_seconds

    def draft_count(self, most: int) -> int:
        """How many tokens to draft, at most `most`: no more than the slot and the text have room for."""
        if self.drafter is None or self.slot is None:
            return 0
        params, text = self.state.params, self.state.result.token_ids
        wanted = most if params.max_new_tokens is None else params.max_new_tokens - len(text) - 1
        return self.drafter.count(min(most, wanted, self.slot.limit - len(self.slot) - 1))

    def tokens_from(self, start: int) -> list[int]:
        """The tokens of prompt and text from `start` on."""
        prompt, text = self.state.prompt.tokens, self.state.result.token_ids
        return [*prompt[start:], *text[max(0, start - len(prompt)) :]]

    def part(self, start: int, count: int) -> Prompt:
        """Up to `count` tokens from `start` on, all of them of the prompt or all of the text."""
        read = len(self.state.prompt)
        if start < read:
            return self.state.prompt[start : start + count]
        return Prompt(self.state.result.token_ids[start - read : start - read + count])
