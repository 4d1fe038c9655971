"""Scores of each token from the logits: how likely it was, and how far two models' distributions lie apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np
import numpy.typing as npt

from tyllm.evaluate.predictor import Logits
from tyllm.evaluate.text_windows import Tokens
from tyllm.runtime.step.model_runner import check_logits

BLOCK = 64  # tokens whose distributions are in memory at a time
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Distributions:
    """Next-token distributions of b tokens: log p = shifted − log_sum.

    Attributes:
        shifted: logits less the largest one, float32 [b, V].
        log_sum: logarithm of the sum of their exponentials, float64 [b, 1].
    """

    shifted: Logits
    log_sum: Floats

    @classmethod
    def from_logits(cls, logits: Logits) -> Self:
        """The distributions of logits float32 [b, V]; raises `StepError` if one is not a number."""
        shifted = check_logits(logits) - logits.max(1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(1, dtype=np.float64, keepdims=True))
        return cls(shifted, log_sum)

    def surprise(self, tokens: Tokens) -> Floats:
        """Negative log-probability of `tokens` [b], nats."""
        result: Floats = (self.log_sum - np.take_along_axis(self.shifted, tokens[:, None], 1))[:, 0]
        return result

    def likeliest(self) -> npt.NDArray[np.intp]:
        """The token with the largest probability, [b]."""
        result: npt.NDArray[np.intp] = self.shifted.argmax(1)
        return result

    def divergence_from(self, reference: Distributions) -> Floats:
        """Kullback-Leibler divergence Σ p · (log p − log q) in nats, p the reference's: [b], never below 0."""
        p = np.exp(reference.shifted - reference.log_sum.astype(np.float32))
        apart = (p * (reference.shifted - self.shifted)).sum(1, dtype=np.float64)
        result: Floats = apart + (self.log_sum - reference.log_sum)[:, 0]
        return np.maximum(result, 0)  # rounding


@dataclass(frozen=True)
class TokenScores:
    """Scores of the n predicted tokens by one model; those against a reference are empty if there is none.

    Attributes:
        surprise: negative log-probability of the token that came, nats, [n].
        right: whether that token was the likeliest, [n].
        divergence: Kullback-Leibler divergence from the reference, nats, [n].
        agrees: whether the likeliest token is the reference's, [n].
    """

    surprise: Floats
    right: Flags
    divergence: Floats
    agrees: Flags

    @classmethod
    def concatenated(cls, parts: Iterable[TokenScores]) -> TokenScores:
        """Scores of consecutive tokens as one."""
        all_parts = list(parts)
        return cls(
            np.concatenate([part.surprise for part in all_parts]),
            np.concatenate([part.right for part in all_parts]),
            np.concatenate([part.divergence for part in all_parts]),
            np.concatenate([part.agrees for part in all_parts]),
        )


def score_tokens(
    tokens: Tokens, model: Iterable[Logits], reference: Iterable[Logits] | None = None
) -> list[TokenScores]:
    """Scores of `tokens` int64 [n] by the logits float32 [V] that predict each.

    The model's and, if given, the reference's are read side by side, `BLOCK` tokens at a time.

    Raises:
        StepError: logits that are not numbers.
    """
    sources = [_blocks(rows) for rows in (model, reference) if rows is not None]
    parts: list[list[TokenScores]] = [[] for _ in sources]
    blocks = (tokens[start : start + BLOCK] for start in range(0, len(tokens), BLOCK))
    for came, *found in zip(blocks, *sources, strict=True):
        for part, each in zip(parts, found, strict=True):
            part.append(_scored(each, came, found[-1] if reference is not None else None))
    return [TokenScores.concatenated(part) for part in parts]


def _blocks(rows: Iterable[Logits]) -> Iterator[Distributions]:
    rows = iter(rows)
    while block := list(islice(rows, BLOCK)):
        yield Distributions.from_logits(np.stack(block))


def _scored(found: Distributions, came: Tokens, reference: Distributions | None) -> TokenScores:
    likeliest = found.likeliest()
    nothing = np.empty(0)
    return TokenScores(
        found.surprise(came),
        likeliest == came,
        nothing if reference is None else found.divergence_from(reference),
        nothing > 0 if reference is None else likeliest == reference.likeliest(),
    )
