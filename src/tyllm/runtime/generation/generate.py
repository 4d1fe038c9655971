"""Generates: feeds a prompt, then picks and feeds a token at a time, and gives text as it becomes certain."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from tyllm.runtime.cache.conversation import Conversation, Logits, log_sum_exp
from tyllm.runtime.generation.request import Request
from tyllm.runtime.generation.result import Result, TokenLogprob
from tyllm.runtime.generation.sampling import Sampler
from tyllm.runtime.generation.text_stream import StopStrings, TextStream
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm_errors import GenerationError


class Generation(Iterator[str]):
    """An iterator over pieces of text; `result` grows with it and is complete at its end.

    The prompt is checked when this is made and fed when the first piece is asked for. It may be left at any piece.
    """

    def __init__(
        self, conversation: Conversation, prompt: Prompt, request: Request,
        tokenizer: Tokenizer | None, eos_token_ids: Collection[int],
    ) -> None:  # fmt: skip
        """Check the prompt, and take the conversation over from whoever generated in it."""
        if request.stop and tokenizer is None:
            raise GenerationError(
                "This package has no tokenizer.json, so stop strings cannot be found; leave them out."
            )
        self.result = Result()
        self._conversation, self._request = conversation, request
        self._eos = frozenset() if request.ignore_eos else frozenset(eos_token_ids)
        self._sampler = Sampler(request.sampling)
        self._text = TextStream(_decoder(tokenizer, request))
        self._stop = StopStrings(request.stop)
        self._rest = self._rest_of(prompt)
        conversation.owner = self
        self._pieces = self._run()

    def __next__(self) -> str:
        return next(self._pieces)

    def run(self) -> Result:
        """Generate to the end."""
        for _ in self:
            pass
        return self.result

    def _rest_of(self, prompt: Prompt) -> Prompt:
        """Leave of the conversation what is also the prompt's beginning; the rest, to be fed later."""
        kept = self._conversation.common(prompt[:-1]) if self._request.reuse else 0
        self._conversation.rewind(kept)
        self._conversation.check(prompt[kept:])
        self.result.timings.prompt_tokens, self.result.timings.reused_tokens = len(prompt) - kept, kept
        self.result.timings.image_seconds = prompt.seconds
        self.result.notes = prompt[kept:].notes
        return prompt[kept:]

    def _feed_prompt(self) -> Logits:
        prompt, timings = self._rest, self.result.timings
        timings.image_seconds += prompt.look()
        start = time.perf_counter()
        logits = self._conversation.append(prompt)
        timings.prompt_seconds = time.perf_counter() - start
        return logits

    def _run(self) -> Iterator[str]:
        timings, logits = self.result.timings, self._guarded(self._feed_prompt)
        while self.result.finish_reason is None:
            start = time.perf_counter()
            piece = self._take(logits)
            if self.result.finish_reason is None:
                logits = self._guarded(lambda: self._conversation.append(self.result.token_ids[-1:]))
            timings.decode_seconds += time.perf_counter() - start
            if piece:
                self.result.text += piece
                yield piece

    def _take(self, logits: Logits) -> str:
        """Pick a token, see whether it is the last; the text that is certain after it."""
        token = self._sampler.pick(logits, self._conversation.tokens)
        self.result.token_ids.append(token)
        self.result.timings.new_tokens += 1
        if self._request.logprobs is not None:
            self.result.logprobs.append(_logprob(logits, token, self._request.logprobs))
        if token in self._eos:
            self.result.finish_reason = "stop"
            return self._stop.push(self._text.flush()) + self._stop.flush()
        piece = self._stop.push(self._text.push(token))
        if self._stop.found:
            self.result.finish_reason = "stop"
        elif len(self.result.token_ids) == self._request.max_new_tokens:
            self.result.finish_reason = "length"
        elif len(self._conversation) == self._conversation.limit:
            self.result.finish_reason = "cache_full"
        else:
            return piece
        return piece + self._stop.push(self._text.flush()) + self._stop.flush()

    def _guarded(self, feed: Callable[[], Logits]) -> Logits:
        if self._conversation.owner is not self:
            raise GenerationError("Another call took this conversation over; give each conversation a slot of its own.")
        return feed()


def _decoder(tokenizer: Tokenizer | None, request: Request) -> Callable[[Sequence[int]], str]:
    if tokenizer is None:
        return lambda tokens: ""
    return lambda tokens: tokenizer.decode(tokens, skip_special_tokens=request.skip_special_tokens)


def _logprob(logits: Logits, token: int, count: int) -> TokenLogprob:
    logprobs = logits.astype(np.float64) - log_sum_exp(logits)
    likeliest = np.argsort(-logprobs, kind="stable")[:count]
    top = tuple((int(other), float(logprobs[other])) for other in likeliest)
    return TokenLogprob(token, float(logprobs[token]), top)
