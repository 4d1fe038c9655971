"""Log-probabilities of tokens from logits: exponentials in float32, their sums in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tyllm.runtime.generation.distribution import Distribution
from tyllm.runtime.generation.result import TokenLogprob
from tyllm.runtime.generation.top_tokens import likeliest_tokens
from tyllm.runtime.step.model_runner import Logits, check_logits


@dataclass(frozen=True)
class LogProbs:
    """Log-probabilities of n tokens, and of the likeliest beside each.

    Attributes:
        of_tokens: float64 [n].
        top_tokens: int64 [n, count], the likeliest first; equally likely ones in the order of their ids.
        top: their log-probabilities, float64 [n, count].
    """

    of_tokens: npt.NDArray[np.float64]
    top_tokens: npt.NDArray[np.intp]
    top: npt.NDArray[np.float64]

    def __iter__(self) -> Iterator[tuple[float, tuple[tuple[int, float], ...]]]:
        """For each token its log-probability, and the likeliest tokens with theirs."""
        columns = (self.of_tokens, self.top_tokens, self.top)
        for own, tokens, values in zip(*(column.tolist() for column in columns), strict=True):
            yield own, tuple(zip(tokens, values, strict=True))


def logprobs_of(logits: Logits, tokens: Sequence[int] | npt.NDArray[np.integer], count: int = 0) -> LogProbs:
    """Log-probabilities of tokens [n], each by its row of logits float32 [n, V], and of the `count` likeliest.

    Raises:
        StepError: a logit is NaN or ∞, or all of a row are −∞.
    """
    norms, rows = log_sum_exps(logits), np.arange(len(logits))
    count = min(count, logits.shape[1])
    top_tokens = np.zeros((len(logits), count), np.intp)
    if count:
        for row, values in enumerate(logits):
            top_tokens[row] = top_ids(values, count)
    own = logits[rows, np.asarray(tokens, np.intp)].astype(np.float64) - norms
    return LogProbs(own, top_tokens, logits[rows[:, None], top_tokens].astype(np.float64) - norms[:, None])


def log_sum_exps(logits: Logits) -> npt.NDArray[np.float64]:
    """The logarithm of the sum of exponentials of each row of float32 [n, V]: float64 [n]; raises as `logprobs_of`."""
    check_logits(logits)
    rows = [Distribution(row, 1.0) for row in logits]
    return np.asarray([row.top + math.log(row.total) for row in rows], np.float64)


def log_sum_exp(logits: Logits) -> float:
    """The logarithm of the sum of exponentials of float32 [V]; raises as `logprobs_of`."""
    return float(log_sum_exps(logits[None])[0])


def top_ids(logits: Logits, count: int) -> npt.NDArray[np.intp]:
    """The ids of the `count` likeliest tokens of float32 [V], likeliest first; equally likely ones by their ids."""
    tokens = likeliest_tokens(logits, min(count, logits.size))
    return tokens[np.argsort(-logits[tokens], kind="stable")][:count]


def token_logprob(logits: Logits, token: int, count: int) -> TokenLogprob:
    """The log-probability of a token and the `count` likeliest tokens, by logits float32 [V]; as `logprobs_of`."""
    ((own, top),) = logprobs_of(logits[None], [token], count)
    return TokenLogprob(token, own, top)
