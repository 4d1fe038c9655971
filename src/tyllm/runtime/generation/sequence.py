"""One sequence: its tokens, its slot, how it is sampled, its text so far and why it ended.

It runs no step: a scheduler feeds what is `pending` to the engine and gives the logits to `accept`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from tyllm.package import Manifest
from tyllm.runtime.cache.slot import CacheSlot, Lease
from tyllm.runtime.generation.log_probs import token_logprob
from tyllm.runtime.generation.logits_processors import logits_processors
from tyllm.runtime.generation.prompt_check import check_prompt, check_room
from tyllm.runtime.generation.result import FinishReason, Result
from tyllm.runtime.generation.sampler import Sampler
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.text_stream import StopStrings, TextStream
from tyllm.runtime.generation.token_grammar import TokenGrammar
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm.runtime.step.model_runner import Logits
from tyllm_base.errors import GenerationError


class SequenceState:
    """A prompt and what has been generated after it.

    Attributes:
        prompt: the whole prompt.
        params: sampling parameters.
        result: grows with the sequence and is complete once it is `finished`.
        lease: of the slot where its tokens are cached; the slot's length is the sequence's position.
    """

    lease: Lease

    def __init__(
        self, prompt: Prompt, params: SamplingParams, tokenizer: Tokenizer | None, eos_token_ids: Collection[int]
    ) -> None:
        """A sequence that waits for a slot; raises `GenerationError` for stop strings or bad words without a tokenizer.

        Args:
            prompt: what to continue.
            params: sampling parameters; what they leave to the checkpoint's author is neutral.
            tokenizer: makes the text; None for none.
            eos_token_ids: tokens that end a text where `params` names none.
        """
        if params.stop and tokenizer is None:
            raise GenerationError(
                "This package has no tokenizer.json, so stop strings cannot be found; leave them out."
            )
        self.prompt, self.params, self.result = prompt, params, Result()
        eos = eos_token_ids if params.eos_token_ids is None else params.eos_token_ids
        self._ends = frozenset(params.stop_token_ids or ()) | (frozenset() if params.ignore_eos else frozenset(eos))
        processors = logits_processors(params, _encoder(tokenizer), self._ends)
        if params.structured_outputs is not None:
            processors.insert(0, TokenGrammar(params.structured_outputs, tokenizer, self._ends))
        self._sampler = Sampler(params, prompt.tokens, processors)
        self._text = TextStream(_decoder(tokenizer, params))
        self._hidden = _special_in_stops(tokenizer, params)
        self._stop = StopStrings(params.stop or (), included=params.include_stop_str_in_output)

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.result.finish_reason is not None

    @property
    def pending(self) -> Prompt:
        """The tokens that have not been fed: the rest of the prompt, or the token that was picked last.

        Raises:
            GenerationError: another call took the slot over, or the session is closed.
        """
        with self.slot.lock:
            self.lease.check()
            fed = len(self.slot)
        return self.prompt[fed:] if fed < len(self.prompt) else Prompt(self.result.token_ids[-1:])

    @property
    def slot(self) -> CacheSlot:
        """Where its tokens are cached."""
        return self.lease.slot

    def take_slot(self, slot: CacheSlot, manifest: Manifest, *, reuse: bool) -> None:
        """Take a slot over from whoever was in it.

        Raises as `check_prompt` and `check_room`, and `GenerationError` for parameters that name a token outside of the
        vocabulary.

        Args:
            slot: where the sequence will be cached.
            manifest: the package's.
            reuse: keep what the slot holds of the prompt's beginning, all but its last token.
        """
        self.params.check_vocabulary(manifest.vocab_size)
        check_prompt(self.prompt, manifest)
        check_room(self.prompt, 0, slot.limit)
        with slot.lock:
            kept = slot.shared_length(self.prompt[:-1]) if reuse else 0
            self.lease = slot.take_over(kept)
        timings = self.result.timings
        timings.prompt_tokens, timings.cached_tokens = len(self.prompt) - kept, kept
        timings.image_seconds = self.prompt.seconds
        self.result.notes = self.prompt[kept:].notes

    def accept(self, logits: Logits) -> str:
        """Pick the next token by logits float32 [V] after all that was fed, and see whether it is the last.

        Returns:
            The text that is certain now and was not before; it is in `result` too.

        Raises:
            StepError: a logit is NaN or ∞, or all are −∞; the sequence is as before.
            GenerationError: its parameters leave no token, or a logits processor made no logits.
        """
        token, params, result = self._sampler.pick(logits), self.params, self.result
        result.token_ids.append(token)
        result.timings.new_tokens += 1
        if params.logprobs is not None:
            result.logprobs.append(token_logprob(logits, token, params.logprobs))
        ended_by_token = token in self._ends
        piece = "" if ended_by_token and not params.include_stop_str_in_output else self._piece(token)
        result.finish_reason = "stop" if ended_by_token else self._reason_to_finish()
        if self.finished:
            piece += self._stop.push(self._text.flush()) + self._stop.flush()
            result.stop_reason = token if token in (params.stop_token_ids or ()) else self._stop.found
        result.text += piece
        return piece

    def end(self, reason: FinishReason) -> str:
        """End it for a reason that lies outside; the text that was held back, which is in `result` too."""
        self.result.finish_reason = reason
        piece = self._stop.push(self._text.flush()) + self._stop.flush()
        self.result.text += piece
        return piece

    def _piece(self, token: int) -> str:
        """The text that is certain with one more token."""
        searched = len(self.result.token_ids) > self.params.min_tokens
        if token not in self._hidden:
            return self._stop.push(self._text.push(token), searched=searched)
        before = self._stop.push(self._text.flush(), searched=searched)
        return before + self._stop.push(self._hidden[token], shown=False, searched=searched)

    def _reason_to_finish(self) -> FinishReason | None:
        if self._stop.found is not None:
            return "stop"
        if len(self.result.token_ids) == self.params.max_new_tokens:
            return "length"
        count = len(self.prompt) + len(self.result.token_ids)
        return "cache_full" if count > self.slot.limit else None  # the last token needs no place


def _decoder(tokenizer: Tokenizer | None, params: SamplingParams) -> Callable[[Sequence[int]], str]:
    if tokenizer is None:
        return lambda tokens: ""
    return lambda tokens: tokenizer.decode(tokens, skip_special_tokens=params.skip_special_tokens)


def _encoder(tokenizer: Tokenizer | None) -> Callable[[str], Sequence[int]] | None:
    return None if tokenizer is None else lambda text: tokenizer.encode(text, add_special_tokens=False)


def _special_in_stops(tokenizer: Tokenizer | None, params: SamplingParams) -> Mapping[int, str]:
    """The special tokens, with their text, that are left out of the text although a stop string has them."""
    if tokenizer is None or not params.stop or not params.skip_special_tokens:
        return {}
    return {token: text for token, text in tokenizer.special.items() if any(text in stop for stop in params.stop)}
