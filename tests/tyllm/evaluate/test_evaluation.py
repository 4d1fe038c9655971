"""The figures of an evaluation follow from the tokens' scores."""

import math

import numpy as np
import pytest

from tyllm.evaluate.evaluation import quality_and_closeness
from tyllm.evaluate.token_scores import TokenScores

NOTHING = np.empty(0)


def scores(surprise, right, divergence=NOTHING, agrees=NOTHING):
    return TokenScores(np.array(surprise, float), np.array(right, bool), np.array(divergence), np.array(agrees))


def test_one_model():
    (quality,), closeness = quality_and_closeness([scores([1.0, 3.0], [True, False])])
    assert quality.perplexity.value == pytest.approx(math.exp(2))
    assert quality.perplexity.low == pytest.approx(math.exp(1)) and quality.perplexity.high == pytest.approx(
        math.exp(3)
    )
    assert quality.accuracy.value == 0.5
    assert closeness is None


def test_two_models():
    divergence = np.arange(100) / 100
    model = scores(np.full(100, 2.5), np.arange(100) < 30, divergence, np.arange(100) < 80)
    reference = scores(np.full(100, 2.0), np.arange(100) >= 20)
    (ours, theirs), close = quality_and_closeness([model, reference])
    assert (ours.perplexity.value, theirs.perplexity.value) == pytest.approx((math.exp(2.5), math.exp(2)))
    assert (ours.accuracy.value, theirs.accuracy.value) == pytest.approx((0.3, 0.8))
    assert close.divergence.value == pytest.approx(0.495)
    assert close.divergence.low < 0.495 < close.divergence.high
    assert (close.divergence_99, close.divergence_max) == pytest.approx((0.9801, 0.99))
    assert close.agreement.value == pytest.approx(0.8)
    assert (close.gained, close.lost) == (20, 70)
    ratio = close.perplexity_ratio
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx([math.exp(0.5)] * 3)
