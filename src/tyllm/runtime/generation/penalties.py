"""Penalties of tokens that were there before: repetition, presence, frequency; what they count grows by a token a step.

Repetition: Keskar et al., arXiv 1909.05858, over prompt and text, as in Hugging Face transformers. Presence and
frequency: of OpenAI's API, over the generated text alone. Repetition comes first, as in vLLM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.step.model_runner import Logits

LARGEST = float(np.finfo(np.float32).max)


class Penalties:
    """The tokens of one sequence, and how often it has each."""

    def __init__(self, params: SamplingParams, prompt: Sequence[int] = ()) -> None:
        """Count the tokens of a prompt; below 0 are embeddings."""
        self._repetition = 1.0 if params.repetition_penalty is None else params.repetition_penalty
        self._presence, self._frequency = params.presence_penalty, params.frequency_penalty
        self._seen = GrowingCounts(token for token in set(prompt) if token >= 0) if self._repetition != 1 else None
        self._generated = GrowingCounts() if self._presence or self._frequency else None

    @property
    def are_off(self) -> bool:
        """Whether they change nothing."""
        return self._seen is None and self._generated is None

    def add(self, token: int) -> None:
        """Count a token that was picked."""
        for counts in (self._seen, self._generated):
            if counts is not None:
                counts.add(token)

    def apply(self, logits: Logits) -> None:
        """Change logits float32 [V] in their place; −∞ stays."""
        if self._seen is not None:
            tokens = self._seen.tokens
            exact = logits[tokens].astype(np.float64)
            with np.errstate(over="ignore"):
                scaled = np.where(exact < 0, exact * self._repetition, exact / self._repetition)
            logits[tokens] = np.where(np.isinf(exact), exact, np.clip(scaled, -LARGEST, LARGEST))
        if self._generated is not None:
            tokens = self._generated.tokens
            logits[tokens] -= (self._presence + self._frequency * self._generated.counts).astype(np.float32)


class GrowingCounts:
    """Distinct tokens in the order in which they came, and how often."""

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self._places: dict[int, int] = {}
        self._tokens, self._counts = np.zeros(64, np.intp), np.zeros(64, np.int64)
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        """Count a token once more."""
        place = self._places.setdefault(token, len(self._places))
        if place == self._tokens.size:
            self._tokens, self._counts = (np.append(a, np.zeros_like(a)) for a in (self._tokens, self._counts))
        self._tokens[place] = token
        self._counts[place] += 1

    @property
    def tokens(self) -> npt.NDArray[np.intp]:
        """The distinct tokens, [n]."""
        return self._tokens[: len(self._places)]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How often each was counted, [n]."""
        return self._counts[: len(self._places)]
