"""The probabilities that logits and a temperature make, and draws from them without computing more than is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tyllm.runtime.generation.top_tokens import Indices, likeliest_tokens
from tyllm.runtime.step.model_runner import Logits

LARGEST = float(np.finfo(np.float32).max)
HEAD = 1024  # likeliest tokens that are tried before all
FEW = 8192  # tokens whose weights are computed in float64
CHUNK = 16384  # logits that are gone through at a time, so that what is computed of them stays in the cache
BLOCK = 512  # weights among which one is searched in float64


@dataclass(frozen=True)
class Head:
    """The likeliest tokens.

    Attributes:
        tokens: ids [n], ascending.
        weights: float64 [n].
        least: what any other token weighs at most.
    """

    tokens: Indices
    weights: npt.NDArray[np.float64]
    least: float

    @property
    def sum(self) -> float:
        """The sum of the weights."""
        return float(self.weights.sum())

    def most_beside(self, size: int) -> float:
        """What all other tokens of a vocabulary of `size` weigh at most."""
        return (size - self.tokens.size) * self.least


class Distribution:
    """Tokens weigh exp((logit − largest) / temperature); probabilities are weights by the sum of all.

    Weights of some tokens are float64. Of all tokens they are float32, made in chunks when they are needed and never
    kept, and the chunks' sums are added in float64.

    Attributes:
        logits: float32 [V]; the largest is finite, others may be −∞.
        temperature: above 0.
        top: the largest logit.
    """

    def __init__(self, logits: Logits, temperature: float) -> None:
        self.logits, self.temperature = logits, temperature
        self.top = float(logits.max())

    def weights(self, tokens: Indices) -> npt.NDArray[np.float64]:
        """The weights of some tokens, float64 [n]."""
        with np.errstate(over="ignore"):  # −∞ is as unlikely as a token can be
            return np.exp((self.logits[tokens].astype(np.float64) - self.top) / self.temperature)

    @property
    def starts(self) -> range:
        """Where each chunk begins."""
        return range(0, self.logits.size, CHUNK)

    def chunk_weights(self, start: int, floor: float = -np.inf) -> Logits:
        """The weights of a chunk, float32 [CHUNK] or of what is left; 0 where logits do not reach `floor`."""
        logits = self.logits[start : start + CHUNK]
        scale = np.float32(min(max(1 / max(self.temperature, 1 / LARGEST), 1e-30), LARGEST))
        with np.errstate(over="ignore"):
            weights = logits - np.float32(self.top)
            weights *= scale
        np.exp(weights, out=weights)
        if floor > -np.inf:
            weights *= logits >= np.float32(floor)
        return weights

    def chunk_sums(self, floor: float = -np.inf) -> npt.NDArray[np.float64]:
        """The sum of each chunk's weights, of those whose logits reach `floor`."""
        return np.asarray([self.chunk_weights(start, floor).sum() for start in self.starts], np.float64)

    @cached_property
    def total(self) -> float:
        """The sum of all weights."""
        return float(self.chunk_sums().sum())

    @cached_property
    def head(self) -> Head:
        """The likeliest tokens, which are few."""
        tokens = likeliest_tokens(self.logits, HEAD)
        weights = self.weights(tokens)
        return Head(tokens, weights, float(weights.min()) if tokens.size < self.logits.size else 0.0)

    def at_least(self, floor: float) -> Indices:
        """The tokens whose logits reach `floor` and are not −∞: ids [n], ascending."""
        return np.flatnonzero(self.logits >= np.float32(max(floor, -LARGEST)))

    def draw(self, random: np.random.Generator) -> int:
        """A token at random.

        Rejection sampling: tokens outside of a head are drawn as if each weighed as much as the head's last, and taken
        with their share of that; so only those that are drawn have their weight computed. Where they might weigh more
        than the head, all weights are computed.
        """
        head, envelope = self.head, self.head.most_beside(self.logits.size)
        if envelope > head.sum:
            return self._draw_of_all(-np.inf, random)
        floor = self.logits[head.tokens].min()
        while random.random() * (head.sum + envelope) >= head.sum:
            token = int(random.integers(self.logits.size))
            while self.logits[token] >= floor:
                token = int(random.integers(self.logits.size))
            if random.random() * head.least < self.weights(np.asarray([token]))[0]:
                return token
        return int(head.tokens[draw_index(head.weights, random)])

    def draw_from(self, floor: float, random: np.random.Generator) -> int:
        """A token at random of those whose logits reach `floor`."""
        mask = self.logits >= np.float32(max(floor, -LARGEST))
        if np.count_nonzero(mask) > FEW:
            return self._draw_of_all(floor, random)
        tokens = np.flatnonzero(mask)
        return int(tokens[draw_index(self.weights(tokens), random)])

    def _draw_of_all(self, floor: float, random: np.random.Generator) -> int:
        """First a chunk, then a block of it, then a token of that."""
        start = CHUNK * draw_index(self.chunk_sums(floor), random)
        weights = self.chunk_weights(start, floor)
        blocks = np.add.reduceat(weights, np.arange(0, weights.size, BLOCK)).astype(np.float64)
        first = BLOCK * draw_index(blocks, random)
        return start + first + draw_index(weights[first : first + BLOCK].astype(np.float64), random)


def draw_index(weights: npt.NDArray[np.float64], random: np.random.Generator) -> int:
    """An index of float64 [n] at random by these weights; those of weight 0 are never drawn."""
    sums = weights.cumsum()
    return min(int(np.searchsorted(sums, random.random() * sums[-1], "right")), int(np.searchsorted(sums, sums[-1])))
