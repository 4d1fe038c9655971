"""The tokens that top-k, top-p and min-p leave: all whose logits reach a floor.

Each filter means what the logits processor of that name means in Hugging Face transformers, in its order: temperature,
top_k, top_p, min_p. Tokens as likely as the last that is left are left too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tyllm.runtime.generation.distribution import CHUNK, FEW, LARGEST, Distribution
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.top_tokens import Indices, likeliest_tokens
from tyllm.runtime.step.model_runner import Logits

BINS = 1024
REACH = 40.0  # temperatures below the largest logit that the bins hold; what is lower weighs less than 1e-17


@dataclass(frozen=True)
class Filters:
    """The sampling parameters that choose candidates; see `SamplingParams`."""

    temperature: float
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    @classmethod
    def of(cls, params: SamplingParams) -> Filters:
        """Those of some parameters; what they leave open is off."""
        top_p = 1.0 if params.top_p is None else params.top_p
        return cls(params.temperature or 0.0, params.top_k or 0, top_p, params.min_p or 0.0)

    def floor(self, distribution: Distribution) -> float:
        """The least logit that a candidate has; −∞ where all are candidates."""
        floor, logits = -np.inf, distribution.logits
        if 0 < self.top_k < logits.size:
            tokens = likeliest_tokens(logits, self.top_k)
            floor = float(logits[tokens].min())
            if self.top_p < 1 and tokens.size <= FEW:
                floor = _floor_among(distribution, tokens, self.top_p * distribution.weights(tokens).sum())
            elif self.top_p < 1:
                floor = _floor_by_bins(distribution, self.top_p, floor)
        elif self.top_p < 1:
            floor = nucleus_floor(distribution, self.top_p)
        if self.min_p > 0:
            least = distribution.top + self.temperature * float(np.log(self.min_p))
            floor = max(floor, _float32_from_above(least))
        return floor


def nucleus_floor(distribution: Distribution, top_p: float) -> float:
    """The logit of the last of the likeliest tokens that together have the share `top_p` of the weights.

    All weights are computed only where the likeliest few do not decide it.
    """
    head = distribution.head
    sums = np.sort(head.weights)[::-1].cumsum()
    most = sums[-1] + head.most_beside(distribution.logits.size)
    last, last_at_most = np.searchsorted(sums, (top_p * sums[-1], top_p * most))
    if last < last_at_most and most < 2 * sums[-1]:
        last = last_at_most = np.searchsorted(sums, top_p * distribution.total)
    if last == last_at_most < sums.size:
        return float(np.sort(distribution.logits[head.tokens])[::-1][last])
    return _floor_by_bins(distribution, top_p)


def _floor_by_bins(distribution: Distribution, top_p: float, above: float = -np.inf) -> float:
    """As `nucleus_floor`, of the tokens whose logits reach `above`.

    Weights are added by bins of logits; only the bin in which the floor lies is sorted.
    """
    sums = np.zeros(BINS)
    for start in distribution.starts:
        bins = _bins(distribution, start).astype(np.int32)
        sums += np.bincount(bins, distribution.chunk_weights(start, above), BINS)
    sums = sums.cumsum()
    needed = top_p * float(sums[-1])
    at = int(np.searchsorted(sums, needed))
    if at >= BINS - 1:  # what is left out would weigh nothing
        return above
    bins_by_start = ((start, _bins(distribution, start)) for start in distribution.starts)
    tokens = np.concatenate([start + np.flatnonzero((bins >= at) & (bins < at + 1)) for start, bins in bins_by_start])
    return _floor_among(distribution, tokens, needed - (float(sums[at - 1]) if at else 0.0))


def _floor_among(distribution: Distribution, tokens: Indices, needed: float) -> float:
    """The logit of the last of the likeliest of some tokens whose weights together reach `needed`."""
    order = np.argsort(-distribution.logits[tokens])
    last = int(np.searchsorted(distribution.weights(tokens[order]).cumsum(), needed))
    return float(distribution.logits[tokens[order[min(last, order.size - 1)]]])


def _bins(distribution: Distribution, start: int) -> Logits:
    """The bin of each logit of a chunk, and a fraction of a bin more; those out of reach are in the last."""
    scale = np.float32(min((BINS - 1) / REACH / distribution.temperature, LARGEST))
    with np.errstate(over="ignore"):
        bins = (np.float32(distribution.top) - distribution.logits[start : start + CHUNK]) * scale
    np.minimum(bins, np.float32(BINS - 1), out=bins)
    return bins


def _float32_from_above(value: float) -> float:
    """The least float32 that is not below `value`, so that logits are compared with it exactly."""
    with np.errstate(over="ignore"):
        found = np.float32(value)
    return float(found if float(found) >= value else np.nextafter(found, np.float32(np.inf)))


def candidates(logits: Logits, params: SamplingParams) -> tuple[Indices, npt.NDArray[np.float64]]:
    """The tokens that may be picked, of logits float32 [V], at a temperature above 0.

    Returns:
        Their ids, int64 [n], ascending, and their probabilities, float64 [n], which sum to 1.
    """
    filters = Filters.of(params)
    distribution = Distribution(logits, filters.temperature)
    tokens = distribution.at_least(filters.floor(distribution))
    weights = distribution.weights(tokens)
    return tokens, weights / weights.sum()
