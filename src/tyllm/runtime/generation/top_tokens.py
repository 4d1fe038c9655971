"""The likeliest tokens, without sorting a vocabulary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tyllm.runtime.step.model_runner import Logits

Indices = npt.NDArray[np.intp]
SETS = 2048  # of logits, at least


def likeliest_tokens(logits: Logits, count: int) -> Indices:
    """The `count` likeliest tokens of logits [V] and those as likely as the last of them: ids [n], ascending.

    The count-th largest of the maxima of `sets` sets of logits is a bound from below that few logits reach.
    """
    if count >= logits.size:
        return np.arange(logits.size)
    sets = max(4 * count, SETS)
    rows = logits.size // sets
    if rows < 2:
        return np.flatnonzero(logits >= kth_largest(logits, count))
    bound = kth_largest(logits[: rows * sets].reshape(rows, sets).max(axis=0), count)
    tokens = np.flatnonzero(logits >= bound)
    found = logits[tokens]
    return tokens[found >= kth_largest(found, count)]


def kth_largest(values: Logits, k: int) -> np.float32:
    """The k-th largest of float32 [n], from 1."""
    return np.float32(np.partition(values, values.size - k)[values.size - k])
