"""Surprise, divergence and agreement are the textbook's, however the rows come."""

import math

import numpy as np
import pytest

from tyllm.evaluate import token_scores
from tyllm.evaluate.token_scores import Distributions, score_tokens
from tyllm_base.errors import StepError


def logits(probabilities, shift=0.0):
    """Logits that stand for these probabilities, as any others that differ by a constant do."""
    return np.log(np.array(probabilities, np.float32)) + np.float32(shift)


def test_surprise_and_the_likeliest():
    found = Distributions.from_logits(logits([[0.5, 0.25, 0.25], [0.125, 0.0625, 0.8125]], shift=40))
    assert found.surprise(np.array([1, 0])) == pytest.approx([math.log(4), math.log(8)], rel=1e-5)
    assert found.likeliest().tolist() == [0, 2]


def test_divergence_is_from_the_reference():
    p, q = Distributions.from_logits(logits([[0.5, 0.5]], shift=-7)), Distributions.from_logits(logits([[0.25, 0.75]]))
    assert q.divergence_from(p) == pytest.approx([0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75)], rel=1e-5)
    assert p.divergence_from(q) == pytest.approx([0.25 * math.log(0.5) + 0.75 * math.log(1.5)], rel=1e-5)
    assert p.divergence_from(p) == 0


def test_small_divergences_of_large_vocabularies_are_exact():
    rng = np.random.default_rng(0)
    ours = rng.normal(scale=3, size=(4, 50_000)).astype(np.float32)
    theirs = ours + rng.normal(scale=0.01, size=ours.shape).astype(np.float32)
    p, q = (x.astype(np.float64) - np.log(np.exp(x.astype(np.float64)).sum(1, keepdims=True)) for x in (theirs, ours))
    expected = (np.exp(p) * (p - q)).sum(1)
    assert expected.max() < 1e-4
    assert Distributions.from_logits(ours).divergence_from(Distributions.from_logits(theirs)) == pytest.approx(
        expected, rel=1e-2
    )


def test_logits_that_are_not_numbers():
    for wrong in (np.nan, np.inf):
        with pytest.raises(StepError, match="not finite numbers"):
            Distributions.from_logits(np.array([[0, wrong]], np.float32))


@pytest.mark.parametrize("block", [1, 3, 64])
def test_scores_of_two_models(block, monkeypatch):
    monkeypatch.setattr(token_scores, "BLOCK", block)
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(size=(2, 10, 5)).astype(np.float32)
    tokens = rng.integers(0, 5, 10)
    model, reference = score_tokens(tokens, iter(ours), iter(theirs))
    assert np.array_equal(model.surprise, Distributions.from_logits(ours).surprise(tokens))
    assert np.array_equal(reference.surprise, Distributions.from_logits(theirs).surprise(tokens))
    assert np.array_equal(model.right, ours.argmax(1) == tokens)
    assert np.array_equal(reference.right, theirs.argmax(1) == tokens)
    assert np.array_equal(
        model.divergence, Distributions.from_logits(ours).divergence_from(Distributions.from_logits(theirs))
    )
    assert np.array_equal(model.agrees, ours.argmax(1) == theirs.argmax(1))
    assert reference.agrees.all() and (reference.divergence == 0).all()


def test_scores_of_one_model():
    (found,) = score_tokens(np.array([0, 1]), iter(logits([[0.5, 0.5], [0.25, 0.75]])))
    assert found.surprise == pytest.approx([math.log(2), -math.log(0.75)])
    assert not len(found.divergence) and not len(found.agrees)


def test_a_row_too_many_or_too_few_is_seen():
    rows = logits([[0.5, 0.5]] * (2 * token_scores.BLOCK))
    for count in (token_scores.BLOCK, 3 * token_scores.BLOCK):
        with pytest.raises(ValueError, match="zip"):
            score_tokens(np.zeros(count, np.int64), iter(rows))
