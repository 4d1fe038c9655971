"""Sampling parameters: how one sequence is continued, and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tyllm.runtime.generation.sampling_checks import (
    allowed_tokens,
    callables,
    token_biases,
    token_list,
    token_list_or_none,
)
from tyllm.runtime.generation.structured_outputs import StructuredOutputsParams, structured_outputs
from tyllm_base.errors import GenerationError
from tyllm_base.option_checks import Check, Number, WholeNumber, flag, refusal, shown, texts

LogitsProcessor = Callable[[list[int], npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Of the token ids generated so far and the logits float32 [V], which it may change, the logits to pick by."""

NEUTRAL: Mapping[str, float] = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
"""What is used where neither the caller nor the checkpoint's author says anything: greedy, and no filter."""

MOST_TEXTS = 1 << 14
"""Of one prompt: each has a sampler and a text of its own, and takes its turn."""


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """How to pick tokens, and when to stop; names and meanings are those of vLLM's class where it has them.

    A value of None in `temperature`, `top_k`, `top_p`, `min_p` and `repetition_penalty` leaves it to the checkpoint's
    author (generation_config.json), and else is greedy or off. Numbers may be NumPy's; lists become tuples.

    Attributes:
        max_new_tokens: most tokens to generate; None for until the text's end or a full cache.
        min_tokens: tokens before which no end-of-text token, `stop_token_ids` or stop string ends the text.
        stop: a string, or several, that end the text and are cut from it, wherever token borders lie.
        stop_token_ids: tokens that end the text, beside the end-of-text tokens.
        eos_token_ids: tokens that end the text in the place of the package's own; None for those.
        ignore_eos: go on after end-of-text tokens, for measurements.
        include_stop_str_in_output: leave the stop string, or the token that ended the text, in the text.
        skip_special_tokens: leave tokens such as <|im_end|> out of the text.
        logprobs: with each token its log-probability and that many likeliest others; None for neither.
        prompt_logprobs: the same for each token of the prompt but the first.
        n: texts to generate of one prompt.
        best_of: texts to generate, of which the `n` likeliest are given; None for `n`.
        temperature: divides the logits; 0 is greedy.
        top_k: only the k likeliest tokens, and those as likely as the last of them; 0 for all.
        top_p: only the likeliest tokens that together reach this probability, and those as likely as the last of them
            (Holtzman et al., arXiv 1904.09751).
        min_p: only tokens at least this fraction as likely as the likeliest (arXiv 2407.01082).
        repetition_penalty: tokens of prompt and text become less likely above 1 (Keskar et al., arXiv 1909.05858).
        presence_penalty: taken from the logits of tokens that the generated text has, from -2 to 2.
        frequency_penalty: taken from them as often as the generated text has them, from -2 to 2.
        logit_bias: added to the logits of these tokens, from -100 to 100 by token id.
        allowed_token_ids: only these tokens; None for all.
        bad_words: texts that are not generated, as the tokenizer writes them with and without a space before.
        logits_processors: functions that are given the token ids generated so far and the logits float32 [V], before
            penalties and temperature, and return the logits to go on with.
        structured_outputs: the form that the text must have: a JSON schema, an expression, a grammar or some choices.
        seed: of the random draws; None draws differently each time.
    """

    max_new_tokens: int | None = None
    min_tokens: int = 0
    stop: Sequence[str] | None = ()
    stop_token_ids: Sequence[int] | None = ()
    eos_token_ids: Sequence[int] | None = None
    ignore_eos: bool = False
    include_stop_str_in_output: bool = False
    skip_special_tokens: bool = True
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    n: int = 1
    best_of: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] | None = None
    allowed_token_ids: Sequence[int] | None = None
    bad_words: Sequence[str] | None = ()
    logits_processors: Sequence[LogitsProcessor] | None = ()
    structured_outputs: StructuredOutputsParams | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raise `GenerationError` for a value that cannot work."""
        for name, check in CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        if self.max_new_tokens is not None and self.min_tokens > self.max_new_tokens:
            raise refusal("min_tokens", self.min_tokens, f"at most max_new_tokens, which is {self.max_new_tokens}")
        if self.best_of is not None and self.best_of < self.n:
            raise refusal("best_of", self.best_of, f"None, or at least n, which is {self.n}")
        if self.count > MOST_TEXTS:
            raise refusal("best_of" if self.best_of else "n", self.count, f"at most {MOST_TEXTS:,}")

    @property
    def count(self) -> int:
        """Texts that are generated."""
        return self.best_of or self.n

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken each time."""
        return not self.temperature

    def with_defaults(self, defaults: Mapping[str, float]) -> SamplingParams:
        """These parameters, with what they leave to the checkpoint's author taken from `defaults`, or else neutral.

        Args:
            defaults: what `sampling_defaults` gives.

        Raises:
            GenerationError: several texts are asked for, and greedy ones would all be the same.
        """
        open_names = [name for name in NEUTRAL if getattr(self, name) is None]
        found = replace(self, **{name: defaults.get(name, NEUTRAL[name]) for name in open_names})  # type: ignore[arg-type]
        if found.count > 1 and found.is_greedy:
            raise GenerationError(
                f"{found.count} texts that take the likeliest token each time are the same; give a temperature above 0."
            )
        return found

    def check_vocabulary(self, size: int) -> None:
        """Raise `GenerationError` for a token that a vocabulary of `size` does not have."""
        for name in ("allowed_token_ids", "stop_token_ids", "eos_token_ids", "logit_bias"):
            outside = [token for token in getattr(self, name) or () if token >= size]
            if outside:
                raise GenerationError(
                    f"{name} has token {shown(outside[0])}, which is outside the vocabulary; give ids from 0 to "
                    f"{size - 1}."
                )


COUNT = WholeNumber(0, "a whole number from 0, or None", optional=True)
PENALTY = Number(lambda value: -2 <= value <= 2, "a number from -2 to 2; 0 is off")
CHECKS: Mapping[str, Check] = {
    "max_new_tokens": WholeNumber(1, "a whole number, 1 or more, or None for until the end", optional=True),
    "min_tokens": WholeNumber(0, "a whole number, 0 or more"),
    "stop": texts,
    "stop_token_ids": token_list,
    "eos_token_ids": token_list_or_none,
    "ignore_eos": flag,
    "include_stop_str_in_output": flag,
    "skip_special_tokens": flag,
    "logprobs": COUNT,
    "prompt_logprobs": COUNT,
    "n": WholeNumber(1, "a whole number, 1 or more"),
    "best_of": WholeNumber(1, "a whole number, 1 or more, or None", optional=True),
    "temperature": Number(lambda value: value >= 0, "a number, 0 (greedy) or more", optional=True),
    "top_k": WholeNumber(0, "a whole number, 0 (off) or more", optional=True),
    "top_p": Number(lambda value: 0 < value <= 1, "a number, more than 0 and at most 1 (off)", optional=True),
    "min_p": Number(lambda value: 0 <= value <= 1, "a number from 0 (off) to 1", optional=True),
    "repetition_penalty": Number(lambda value: value > 0, "a number, more than 0; 1 is off", optional=True),
    "presence_penalty": PENALTY,
    "frequency_penalty": PENALTY,
    "logit_bias": token_biases,
    "allowed_token_ids": allowed_tokens,
    "bad_words": texts,
    "logits_processors": callables,
    "structured_outputs": structured_outputs,
    "seed": COUNT,
}
