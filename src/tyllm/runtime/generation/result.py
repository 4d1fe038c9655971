"""The result of a generation: text, tokens, timings, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

FinishReason = Literal["stop", "length", "cache_full", "abort", "timeout", "error"]


@dataclass(frozen=True)
class TokenLogprob:
    """The natural logarithm of a token's probability before sampling's filters, and the likeliest tokens beside it."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass
class Timings:
    """Tokens and seconds of prompt and text; the caller's time between the pieces of a stream is left out.

    Attributes:
        prompt_tokens: tokens of the prompt that were fed.
        cached_tokens: tokens of the prompt that the cache still held.
        prompt_seconds: feeding the prompt, up to the logits for the first new token.
        new_tokens: tokens generated.
        decode_seconds: everything after that.
        image_seconds: preparing the prompt's images and computing their embeddings, before the prompt was fed.
        queue_seconds: waiting for a turn, where several requests share an engine.
        drafted_tokens: tokens that were drafted, to be verified beside a new one (speculative decoding).
        accepted_tokens: those of them that were what the model gave.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    prompt_seconds: float = 0.0
    new_tokens: int = 0
    decode_seconds: float = 0.0
    image_seconds: float = 0.0
    queue_seconds: float = 0.0
    drafted_tokens: int = 0
    accepted_tokens: int = 0

    @property
    def prompt_tokens_per_second(self) -> float:
        """Speed of the prompt; 0 before there is one."""
        return self.prompt_tokens / self.prompt_seconds if self.prompt_seconds else 0.0

    @property
    def decode_tokens_per_second(self) -> float:
        """Speed of the steps after the prompt; the first new token needs none. 0 before there is one."""
        return max(0, self.new_tokens - 1) / self.decode_seconds if self.decode_seconds else 0.0


@dataclass
class Result:
    """A generated text.

    Attributes:
        text: without stop string, end-of-text token and (unless asked for) special tokens; empty without a tokenizer.
        token_ids: every token that was generated, an end-of-text token included.
        finish_reason: "stop" (end-of-text token or stop string), "length" (max_new_tokens), "cache_full"
            (max_kv_cache_size, or the memory for all caches), and where several requests share an engine "abort",
            "timeout" and "error".
        logprobs: one entry a token where they were asked for.
        timings: tokens and seconds.
        notes: what was done with images that were fed and had to be fitted, a sentence each.
        stop_reason: the stop string or the token of `stop_token_ids` that ended the text; None for anything else.
        index: which of a request's texts it is.
    """

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    logprobs: list[TokenLogprob] = field(default_factory=list)
    timings: Timings = field(default_factory=Timings)
    notes: list[str] = field(default_factory=list)
    index: int = 0
    stop_reason: str | int | None = None
