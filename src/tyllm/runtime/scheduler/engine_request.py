"""A request to the engine: one prompt and the texts that are wanted after it, checked before it waits."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from tyllm.package import Manifest
from tyllm.runtime.generation.drafter import Drafter
from tyllm.runtime.generation.prompt_check import check_prompt, check_room
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.prompt.prompt import UNKNOWN, Prompt
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm.runtime.scheduler.scheduled_sequence import ScheduledSequence
from tyllm_base.errors import GenerationError
from tyllm_base.option_checks import Number

SECONDS = Number(lambda value: value > 0, "seconds above 0, or None for no limit", optional=True)


@dataclass(frozen=True)
class EngineRequest:
    """What is asked of the engine.

    Attributes:
        prompt: what to continue.
        params: how, and how often.
        timeout: seconds after which it ends with what there is; None for never.
        request_id: a name of its own.
        text: the prompt as the caller wrote it; None for token ids.
    """

    prompt: Prompt
    params: SamplingParams
    timeout: float | None = None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    text: str | None = None

    @property
    def count(self) -> int:
        """Texts that are generated."""
        return self.params.count

    @property
    def is_ranked(self) -> bool:
        """Whether the likeliest of more texts are given than are wanted."""
        return self.params.count > self.params.n

    def __post_init__(self) -> None:
        """Raise `GenerationError` for a timeout that is none."""
        object.__setattr__(self, "timeout", SECONDS("timeout", self.timeout))


class RequestChecks:
    """Makes sequences of requests, or refuses them: what the package, a slot and the memory cannot take."""

    def __init__(
        self, manifest: Manifest, tokenizer: Tokenizer | None, eos_token_ids: Collection[int],
        defaults: Mapping[str, float], fits: Callable[[int], bool], *, shares: bool,
        drafts: int = 0, looks_up: bool = True,
    ) -> None:  # fmt: skip
        """Know the limits.

        Args:
            manifest: the package's.
            tokenizer: makes the texts; None for none.
            eos_token_ids: tokens that end a text where a request names none.
            defaults: sampling parameters that hold where a request says nothing.
            fits: whether there is memory for so many tokens, where nobody else has any.
            shares: whether requests share prefixes; the texts of one request always do.
            drafts: tokens at most that are drafted for a sequence; 0 for none.
            looks_up: whether they are looked up in its prompt and text; else a model drafts.
        """
        self._manifest, self._tokenizer, self._eos = manifest, tokenizer, eos_token_ids
        self._defaults, self._fits, self._shares = defaults, fits, shares
        self._drafts, self._looks_up = drafts, looks_up

    def sequences(self, request: EngineRequest) -> list[ScheduledSequence]:
        """The sequences of a request, one for each text.

        Raises:
            GenerationError: a prompt that cannot be fed, or for which there is no memory, or parameters that cannot
                work with this package.
            SettingError: embeddings for a package of tokens.
        """
        params = request.params.with_defaults(self._defaults)
        params.check_vocabulary(self._manifest.vocab_size)
        if request.is_ranked and params.logprobs is None:
            params = replace(params, logprobs=0)  # by which they are compared
        check_prompt(request.prompt, self._manifest)
        check_room(request.prompt, 0, self._manifest.max_kv_cache_size)
        if params.prompt_logprobs is not None and UNKNOWN in request.prompt.tokens[1:]:
            raise GenerationError(
                "prompt_logprobs are of tokens, and this prompt has embeddings of your own; give token ids, or leave "
                "prompt_logprobs out."
            )
        if not self._fits(len(request.prompt)):
            raise GenerationError(
                f"{len(request.prompt)} tokens do not fit into the memory that all caches may take together; shorten "
                "the prompt or give a larger kv_cache_memory."
            )
        deadline = math.inf if request.timeout is None else time.monotonic() + request.timeout
        salt = None if self._shares else request.request_id
        sequences = [
            ScheduledSequence(self._state(request.prompt, params, index), request.request_id, index, salt, deadline)
            for index in range(request.count)
        ]
        sequences[0].score_top = params.prompt_logprobs
        if self._drafts:
            for sequence in sequences:
                sequence.drafter = Drafter(request.prompt.tokens if self._looks_up else None, self._drafts)
        return sequences

    def _state(self, prompt: Prompt, params: SamplingParams, index: int) -> SequenceState:
        """The state of one of a request's texts; with a seed each has one of its own."""
        if index and params.seed is not None:
            params = replace(params, seed=params.seed + index)
        return SequenceState(prompt, params, self._tokenizer, self._eos)
