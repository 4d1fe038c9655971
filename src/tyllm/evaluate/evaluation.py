"""The result of an evaluation: figures with their intervals, from the scores of tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tyllm.evaluate.bootstrap import mean_intervals
from tyllm.evaluate.token_scores import TokenScores


@dataclass(frozen=True)
class Estimate:
    """A figure of this text, and the 95% interval in which it would lie on others like it (`bootstrap.py`)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Quality:
    """Quality of a model's predictions.

    Attributes:
        perplexity: exp of the mean negative log-likelihood of a token.
        accuracy: share of the tokens that were the likeliest.
    """

    perplexity: Estimate
    accuracy: Estimate


@dataclass(frozen=True)
class Closeness:
    """Closeness of a model to its reference.

    Attributes:
        divergence: mean Kullback-Leibler divergence of the model from the reference, nats a token.
        divergence_99: the 99th percentile of that divergence over the tokens.
        divergence_max: the largest one.
        agreement: share of the tokens for which both find the same token the likeliest.
        lost: tokens where the reference was right and the model wrong.
        gained: tokens where the model was right and the reference wrong.
        perplexity_ratio: the model's perplexity, as a multiple of the reference's.
    """

    divergence: Estimate
    divergence_99: float
    divergence_max: float
    agreement: Estimate
    lost: int
    gained: int
    perplexity_ratio: Estimate


@dataclass(frozen=True)
class Evaluation:
    """Quality of a model on a text, and its closeness to a reference, if one was given.

    Attributes:
        tokens: how many were predicted.
        window: tokens that were predicted together; the first of a window is read, not predicted.
        windows: how many of them.
        quality: the model's.
        reference: the reference's.
        closeness: between the two.
        seconds: time that it took.
    """

    tokens: int
    window: int
    windows: int
    quality: Quality
    reference: Quality | None
    closeness: Closeness | None
    seconds: float


def quality_and_closeness(scores: list[TokenScores]) -> tuple[list[Quality], Closeness | None]:
    """The quality of each model, and the closeness of the first to the second where there are two."""
    model, *reference = scores
    rows: list[npt.NDArray[np.generic]] = [row for each in scores for row in (each.surprise, each.right)]
    rows += [row for other in reference for row in (model.divergence, model.agrees, model.surprise - other.surprise)]
    values = np.array(rows, np.float64)
    found = [Estimate(*numbers) for numbers in np.column_stack([values.mean(1), mean_intervals(values)]).tolist()]
    qualities = [Quality(_mapped(np.exp, found[i]), found[i + 1]) for i in range(0, 2 * len(scores), 2)]
    if not reference:
        return qualities, None
    divergence, agreement, difference = found[-3:]
    return qualities, Closeness(
        divergence=divergence,
        divergence_99=float(np.quantile(model.divergence, 0.99)),
        divergence_max=float(model.divergence.max()),
        agreement=agreement,
        lost=int((reference[0].right & ~model.right).sum()),
        gained=int((model.right & ~reference[0].right).sum()),
        perplexity_ratio=_mapped(np.exp, difference),
    )


def _mapped(function: Callable[[float], float], estimate: Estimate) -> Estimate:
    """A rising function of an estimate, whose interval is mapped alike."""
    return Estimate(*(float(function(each)) for each in (estimate.value, estimate.low, estimate.high)))
