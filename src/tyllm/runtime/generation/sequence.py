"""One sequence: its tokens, its slot, how it is sampled, its text so far and why it ended.

It runs no step: a scheduler feeds what is `pending` to the engine and gives the logits to `accept`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from tyllm.package import Manifest
from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.generation.log_probs import token_logprob
from tyllm.runtime.generation.prompt_check import check_prompt
from tyllm.runtime.generation.result import FinishReason, Result
from tyllm.runtime.generation.sampler import Sampler
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.text_stream import StopStrings, TextStream
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
        slot: where its tokens are cached; the slot's length is the sequence's position.
    """

    slot: CacheSlot

    def __init__(
        self, prompt: Prompt, params: SamplingParams, tokenizer: Tokenizer | None, eos_token_ids: Collection[int]
    ) -> None:
        """A sequence that waits for a slot; raises `GenerationError` for stop strings without a tokenizer.

        Args:
            prompt: what to continue.
            params: sampling parameters.
            tokenizer: makes the text; None for none.
            eos_token_ids: tokens that end a text where `params` names none.
        """
        if params.stop and tokenizer is None:
            raise GenerationError(
                "This package has no tokenizer.json, so stop strings cannot be found; leave them out."
            )
        self.prompt, self.params, self.result = prompt, params, Result()
        eos = eos_token_ids if params.eos_token_ids is None else params.eos_token_ids
        self._eos = frozenset() if params.ignore_eos else frozenset(eos)
        self._sampler = Sampler(params)
        self._text = TextStream(_decoder(tokenizer, params))
        self._stop = StopStrings(params.stop)

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.result.finish_reason is not None

    @property
    def pending(self) -> Prompt:
        """The tokens that have not been fed: the rest of the prompt, or the token that was picked last."""
        fed = len(self.slot)
        return self.prompt[fed:] if fed < len(self.prompt) else Prompt(self.result.token_ids[-1:])

    def take_slot(self, slot: CacheSlot, manifest: Manifest, *, reuse: bool) -> None:
        """Take a slot over from whoever was in it; raises as `check_prompt` where the prompt does not fit.

        Args:
            slot: where the sequence will be cached.
            manifest: the package's.
            reuse: keep what the slot holds of the prompt's beginning, all but its last token.
        """
        kept = slot.shared_length(self.prompt[:-1]) if reuse else 0
        slot.rewind(kept)
        check_prompt(self.prompt[kept:], slot, manifest)
        self.slot, slot.owner = slot, self
        timings = self.result.timings
        timings.prompt_tokens, timings.reused_tokens = len(self.prompt) - kept, kept
        timings.image_seconds = self.prompt.seconds
        self.result.notes = self.prompt[kept:].notes

    def check_owner(self) -> None:
        """Raise `GenerationError` where another sequence has taken the slot over."""
        if self.slot.owner is not self:
            raise GenerationError("Another call took this conversation over; give each conversation a slot of its own.")

    def accept(self, logits: Logits) -> str:
        """Pick the next token by logits float32 [V] after all that was fed, and see whether it is the last.

        Returns:
            The text that is certain now and was not before; it is in `result` too.
        """
        token = self._sampler.pick(logits, self.slot.prefix.tokens)
        self.result.token_ids.append(token)
        self.result.timings.new_tokens += 1
        if self.params.logprobs is not None:
            self.result.logprobs.append(token_logprob(logits, token, self.params.logprobs))
        ended_by_token = token in self._eos
        piece = "" if ended_by_token else self._stop.push(self._text.push(token))
        self.result.finish_reason = "stop" if ended_by_token else self._reason_to_finish()
        if self.finished:
            piece += self._stop.push(self._text.flush()) + self._stop.flush()
        self.result.text += piece
        return piece

    def _reason_to_finish(self) -> FinishReason | None:
        if self._stop.found:
            return "stop"
        if len(self.result.token_ids) == self.params.max_new_tokens:
            return "length"
        return "cache_full" if len(self.slot) == self.slot.limit else None


def _decoder(tokenizer: Tokenizer | None, params: SamplingParams) -> Callable[[Sequence[int]], str]:
    if tokenizer is None:
        return lambda tokens: ""
    return lambda tokens: tokenizer.decode(tokens, skip_special_tokens=params.skip_special_tokens)
