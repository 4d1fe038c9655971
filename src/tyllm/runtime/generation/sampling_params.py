"""Sampling parameters: how one sequence is continued, and when it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

from tyllm_base.errors import GenerationError


@dataclass(frozen=True)
class SamplingParams:
    """How to pick tokens, and when to stop; a temperature of 0 is greedy, each other default switches its filter off.

    Attributes:
        max_new_tokens: most tokens to generate.
        stop: strings that end the text and are cut from it, wherever token borders lie.
        eos_token_ids: tokens that end the text; None for the package's own.
        ignore_eos: go on after them, for measurements.
        skip_special_tokens: leave tokens such as <|im_end|> out of the text.
        logprobs: with each token its log-probability and that many likeliest others; None for neither.
        temperature: divides the logits.
        top_k: only the k likeliest tokens, and those as likely as the last of them.
        top_p: only the likeliest tokens that together reach this probability (Holtzman et al., arXiv 1904.09751).
        min_p: only tokens at least this fraction as likely as the likeliest (arXiv 2407.01082).
        repetition_penalty: tokens of prompt and text become less likely above 1 (Keskar et al., arXiv 1909.05858).
        seed: of the random draws; None draws differently each time.
    """

    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    eos_token_ids: tuple[int, ...] | None = None
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    logprobs: int | None = None
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raise `GenerationError` for a value that cannot work."""
        _require("temperature", self.temperature, 0 <= self.temperature < math.inf, "0 (greedy) or more")
        _require("top_k", self.top_k, self.top_k >= 0 and self.top_k == int(self.top_k), "0 (off) or a whole number")
        _require("top_p", self.top_p, 0 < self.top_p <= 1, "more than 0 and at most 1 (off)")
        _require("min_p", self.min_p, 0 <= self.min_p <= 1, "from 0 (off) to 1")
        penalty = self.repetition_penalty
        _require("repetition_penalty", penalty, 0 < penalty < math.inf, "more than 0; 1 is off")
        _require("seed", self.seed, _is_count(self.seed), "a whole number from 0, or None")
        _require(
            "max_new_tokens",
            self.max_new_tokens,
            self.max_new_tokens >= 1 and _is_count(self.max_new_tokens),
            "1 or more",
        )
        _require("logprobs", self.logprobs, _is_count(self.logprobs), "0 or more, or None")
        if not all(isinstance(each, str) for each in self.stop):
            raise GenerationError(f"stop is {list(self.stop)!r:.60}, it must be a text or a list of texts.")
        if "" in self.stop:
            raise GenerationError("A stop string is empty; leave it out or give it a character.")
        if not all(isinstance(each, Integral) for each in self.eos_token_ids or ()):
            raise GenerationError(f"eos_token_ids are {self.eos_token_ids!r:.60}, they must be whole numbers.")


def _is_count(value: object) -> bool:
    """Whether it is a whole number from 0, or None."""
    return value is None or (isinstance(value, Integral) and int(value) >= 0)


def _require(name: str, value: object, good: bool, expected: str) -> None:
    if not good:
        raise GenerationError(f"{name} is {value}, it must be {expected}.")
