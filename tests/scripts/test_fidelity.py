"""Perplexity, divergence and agreement are the textbook's."""

import math

import numpy as np
import pytest


@pytest.fixture
def fidelity(script):
    return script("fidelity")


def predictions(fidelity, probabilities, next_tokens):
    return fidelity.Predictions(np.log(np.array(probabilities, np.float32)), np.array(next_tokens), 1.0)


def test_perplexity(fidelity):
    found = predictions(fidelity, [[0.5, 0.5], [0.125, 0.875]], [1, 0])
    assert found.perplexity == pytest.approx(math.sqrt(2 * 8), rel=1e-5)


def test_divergence_and_agreement(fidelity):
    p = predictions(fidelity, [[0.5, 0.5], [0.9, 0.1]], [0, 0])
    q = predictions(fidelity, [[0.25, 0.75], [0.9, 0.1]], [0, 0])
    expected = 0.5 * (0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75))
    assert q.divergence_from(p) == pytest.approx(expected, rel=1e-4)
    assert p.divergence_from(p) == 0
    assert q.agreement_with(p) == 0.5


class Counting:
    """A session whose logits after the tokens t1 … tn are [0, t1 + … + tn]."""

    def __init__(self):
        self.fed = []

    def conversation(self):
        return self

    def reset(self):
        self.fed.clear()

    def append(self, tokens):
        self.fed += tokens
        return np.array([0, sum(self.fed)], np.float32)


def test_predict_reads_window_by_window(fidelity, monkeypatch):
    monkeypatch.setattr(fidelity, "WINDOW", 3)
    found = fidelity.predict(Counting(), [1, 0, 1, 0, 0, 1], lambda *report: None)
    assert found.next_tokens.tolist() == [0, 1, 0, 1]
    expected = [[-math.log(1 + math.e), 1 - math.log(1 + math.e)]] * 2 + [[-math.log(2)] * 2] * 2
    assert np.allclose(found.log_probs, expected)
    assert found.tokens_per_second > 0
