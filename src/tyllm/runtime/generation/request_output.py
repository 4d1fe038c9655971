"""What a request to `LLM` or `AsyncLLM` is given: its prompt, and the texts after it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tyllm.runtime.generation.result import Result, TokenLogprob


@dataclass
class RequestOutput:
    """The texts of one prompt, as far as they are generated.

    Attributes:
        request_id: the request's name.
        prompt: as text; None where token ids were given.
        prompt_token_ids: its tokens; placeholders where images are.
        outputs: the texts, `SamplingParams.n` of them.
        finished: whether all of them are complete.
        prompt_logprobs: one entry for each token of the prompt but the first, where they were asked for.
        error: why the request ended with finish_reason "error": a `TyllmError`, or what a logits processor raised.
    """

    request_id: str
    prompt: str | None
    prompt_token_ids: list[int]
    outputs: list[Result] = field(default_factory=list)
    finished: bool = False
    prompt_logprobs: list[TokenLogprob] | None = None
    error: Exception | None = None

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that were in the cache and did not have to be fed."""
        return self.outputs[0].timings.cached_tokens if self.outputs else 0
