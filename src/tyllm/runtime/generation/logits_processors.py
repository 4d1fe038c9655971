"""What changes logits before a token is picked: tokens that are allowed, bad words, fewest tokens, biases, callables.

Each is a function of the token ids generated so far and the logits float32 [V], which it changes in their place and
returns. Their order is vLLM's, the caller's own last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from tyllm.runtime.generation.sampling_params import LogitsProcessor, SamplingParams
from tyllm.runtime.step.model_runner import Logits
from tyllm_base.doors import callers
from tyllm_base.errors import GenerationError


def logits_processors(
    params: SamplingParams, encode: Callable[[str], Sequence[int]] | None, ends: Collection[int]
) -> list[LogitsProcessor]:
    """The processors that some parameters ask for.

    Args:
        params: sampling parameters.
        encode: token ids of a text without special tokens; None without a tokenizer.
        ends: the tokens that end a text.

    Raises:
        GenerationError: bad words without a tokenizer.
    """
    found: list[LogitsProcessor] = []
    if params.allowed_token_ids is not None:
        found.append(_allow(params.allowed_token_ids))
    if params.bad_words:
        if encode is None:
            raise GenerationError("This package has no tokenizer.json, so bad_words cannot be found; leave them out.")
        found.append(_avoid([tokens for word in params.bad_words for tokens in spellings(word, encode)]))
    if params.min_tokens and ends:
        found.append(_go_on(params.min_tokens, ends))
    if params.logit_bias:
        found.append(_add(params.logit_bias))
    return found + [_checked(each) for each in params.logits_processors or ()]


def spellings(word: str, encode: Callable[[str], Sequence[int]]) -> list[tuple[int, ...]]:
    """The token ids of a word at the beginning of a text and after a space, each once."""
    bare = word.lstrip() or word
    return list(dict.fromkeys(tuple(encode(text)) for text in (bare, f" {bare}")))


def _allow(tokens: Sequence[int]) -> LogitsProcessor:
    """All other tokens become impossible."""
    allowed = np.asarray(tokens, np.intp)

    def process(generated: list[int], logits: Logits) -> Logits:
        kept = logits[allowed]
        logits.fill(-np.inf)
        logits[allowed] = kept
        return logits

    return process


def _avoid(sequences: Sequence[tuple[int, ...]]) -> LogitsProcessor:
    """The last token of a sequence becomes impossible where those before it have come."""

    def process(generated: list[int], logits: Logits) -> Logits:
        for *before, last in sequences:
            if generated[len(generated) - len(before) :] == before and last < logits.size:
                logits[last] = -np.inf
        return logits

    return process


def _go_on(count: int, ends: Collection[int]) -> LogitsProcessor:
    """The tokens that end a text become impossible until there are `count` tokens."""
    tokens = np.asarray(sorted(ends), np.intp)

    def process(generated: list[int], logits: Logits) -> Logits:
        if len(generated) < count:
            logits[tokens[tokens < logits.size]] = -np.inf
        return logits

    return process


def _add(biases: Mapping[int, float]) -> LogitsProcessor:
    """Logits of some tokens become larger or smaller."""
    tokens, added = np.asarray(list(biases), np.intp), np.asarray(list(biases.values()), np.float32)

    def process(generated: list[int], logits: Logits) -> Logits:
        logits[tokens] += added
        return logits

    return process


def _checked(process: LogitsProcessor) -> LogitsProcessor:
    """A caller's own: what it raises goes through, and what it returns must be logits."""
    call, name = callers(process), getattr(process, "__name__", type(process).__name__)

    def checked(generated: list[int], logits: Logits) -> Logits:
        shape, found = logits.shape, call(list(generated), logits)
        try:
            given = np.array(found, np.float32, copy=found is not logits)  # the caller's own stay as they are
        except (TypeError, ValueError):
            given = np.empty(0, np.float32)
        if found is None or given.shape != shape:
            what = "nothing" if found is None else f"an array of shape {list(np.shape(given))}"
            raise GenerationError(f"The logits processor {name} returned {what}; return logits float32 {list(shape)}.")
        return given

    return checked
