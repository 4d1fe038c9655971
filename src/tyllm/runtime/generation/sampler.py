"""Picks the next token: greedy, or drawn at random from what temperature, top-k, top-p and min-p leave.

Each filter means what the logits processor of that name means in Hugging Face transformers, and they run in its order:
repetition penalty, temperature, top_k, top_p, min_p. The filters work on the few candidates that the ones before left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tyllm.runtime.generation.sampling_params import SamplingParams

Logits = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
LARGEST = float(np.finfo(np.float32).max)


class Sampler:
    """Picks tokens by sampling parameters; it holds the random state."""

    def __init__(self, params: SamplingParams) -> None:
        self._params = params
        self._random = np.random.default_rng(params.seed)

    def pick(self, logits: Logits, history: Sequence[int]) -> int:
        """The next token after `history` (prompt and text so far), from logits float32 [V]."""
        logits = penalize(logits, history, self._params.repetition_penalty)
        if self._params.temperature == 0:
            return int(logits.argmax())
        tokens, probabilities = candidates(logits, self._params)
        return int(
            tokens[np.searchsorted(probabilities.cumsum(), self._random.random() * probabilities.sum(), "right")]
        )


def penalize(logits: Logits, history: Sequence[int], penalty: float) -> Logits:
    """Logits float32 [V] with those of tokens in `history` divided by the penalty where positive, else multiplied."""
    if penalty == 1:
        return logits
    seen = np.unique(np.asarray(history, np.int64))
    seen = seen[seen >= 0]
    exact, penalized = logits[seen].astype(np.float64), logits.copy()
    with np.errstate(over="ignore"):  # the largest float32 stands for what is beyond
        penalized[seen] = np.clip(np.where(exact < 0, exact * penalty, exact / penalty), -LARGEST, LARGEST)
    return penalized


def candidates(logits: Logits, params: SamplingParams) -> tuple[Indices, npt.NDArray[np.float64]]:
    """The tokens that may be picked, of logits float32 [V].

    Returns:
        Their ids, int64 [n], ascending, and their probabilities, float64 [n], which sum to 1.
    """
    tokens = np.arange(logits.size)
    exact = logits.astype(np.float64)
    with np.errstate(over="ignore"):  # −∞ is as unlikely as a token can be
        values = (exact - exact.max()) / params.temperature
    if 0 < params.top_k < logits.size:
        tokens = tokens[values >= np.partition(values, -params.top_k)[-params.top_k]]
    if params.top_p < 1:
        tokens = tokens[_likeliest(softmax(values[tokens]), params.top_p)]
    if params.min_p > 0:
        likely = softmax(values[tokens])
        tokens = tokens[likely >= params.min_p * likely.max()]
    return tokens, softmax(values[tokens])


def _likeliest(probabilities: npt.NDArray[np.float64], top_p: float) -> npt.NDArray[np.bool_]:
    """Bool [n] of probabilities [n]: all but the unlikeliest that together have at most 1 - top_p; the likeliest stays.

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
    """exp(values) scaled to the sum 1, without overflow; float64 [n] as the values."""
    exponentials = np.exp(values - values.max())
    return np.asarray(exponentials / exponentials.sum())
