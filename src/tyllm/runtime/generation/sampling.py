"""Picks the next token: greedy, or drawn at random from what temperature, top-k, top-p and min-p leave.

Each filter means what the logits processor of that name means in Hugging Face transformers, and they run in its order:
repetition penalty, temperature, top_k, top_p, min_p. The filters work on the few candidates that the ones before left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tyllm_errors import GenerationError

Logits = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Sampling:
    """How to pick; a temperature of 0 is greedy, and each other default switches its filter off.

    Attributes:
        temperature: divides the logits.
        top_k: only the k likeliest tokens, and those as likely as the last of them.
        top_p: only the likeliest tokens that together reach this probability (Holtzman et al., arXiv 1904.09751).
        min_p: only tokens at least this fraction as likely as the likeliest (arXiv 2407.01082).
        repetition_penalty: tokens of prompt and text become less likely above 1 (Keskar et al., arXiv 1909.05858).
        seed: of the random draws; None draws differently each time.
    """

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
        _require("seed", self.seed, self.seed is None or self.seed >= 0, "a whole number from 0, or None")


def _require(name: str, value: object, good: bool, wanted: str) -> None:
    if not good:
        raise GenerationError(f"{name} is {value}, it must be {wanted}.")


class Sampler:
    """A `Sampling` with its random state."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._random = np.random.default_rng(sampling.seed)

    def pick(self, logits: Logits, history: Sequence[int]) -> int:
        """The next token after `history` (prompt and text so far), from logits float32 [V]."""
        logits = penalize(logits, history, self._sampling.repetition_penalty)
        if self._sampling.temperature == 0:
            return int(logits.argmax())
        tokens, probabilities = candidates(logits, self._sampling)
        return int(
            tokens[np.searchsorted(probabilities.cumsum(), self._random.random() * probabilities.sum(), "right")]
        )


def penalize(logits: Logits, history: Sequence[int], penalty: float) -> Logits:
    """Logits of tokens in `history` divided by the penalty where positive, multiplied where negative."""
    if penalty == 1:
        return logits
    seen = np.unique(np.asarray(history, np.int64))
    seen = seen[seen >= 0]
    penalized = logits.copy()
    penalized[seen] = np.where(logits[seen] < 0, logits[seen] * penalty, logits[seen] / penalty)
    return penalized


def candidates(logits: Logits, sampling: Sampling) -> tuple[Indices, npt.NDArray[np.float64]]:
    """The tokens that may be picked, in ascending order of their ids, and their probabilities, which sum to 1."""
    tokens = np.arange(logits.size)
    values = logits.astype(np.float64) / sampling.temperature
    if 0 < sampling.top_k < logits.size:
        tokens = tokens[values >= np.partition(values, -sampling.top_k)[-sampling.top_k]]
    if sampling.top_p < 1:
        tokens = tokens[_likeliest(softmax(values[tokens]), sampling.top_p)]
    if sampling.min_p > 0:
        likely = softmax(values[tokens])
        tokens = tokens[likely >= sampling.min_p * likely.max()]
    return tokens, softmax(values[tokens])


def _likeliest(probabilities: npt.NDArray[np.float64], top_p: float) -> npt.NDArray[np.bool_]:
    """All but the unlikeliest tokens that together have at most 1 - top_p; the likeliest stays in any case.

    Tokens below (1 - top_p) / V go without being sorted: even all V of them would not have 1 - top_p.
    """
    rest = np.flatnonzero(probabilities >= (1 - top_p) / probabilities.size)
    ascending = rest[np.argsort(probabilities[rest], kind="stable")]
    gone = 1 - probabilities[rest].sum()
    keep = np.zeros(probabilities.size, np.bool_)
    keep[ascending] = gone + probabilities[ascending].cumsum() > 1 - top_p
    keep[ascending[-1]] = True
    return keep


def softmax(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """exp(values) scaled to the sum 1, without overflow."""
    exponentials = np.exp(values - values.max())
    return np.asarray(exponentials / exponentials.sum())
