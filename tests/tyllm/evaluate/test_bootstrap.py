"""The intervals hold the truth as often as they say, where tokens hang together too; a difference is paired."""

import numpy as np
import pytest

from tyllm.evaluate import bootstrap
from tyllm.evaluate.bootstrap import mean_intervals


def series(texts, tokens, memory, seed=0):
    """Autoregressive noise [texts, tokens] of mean 3: each token is `memory` times the last, plus something new."""
    rng = np.random.default_rng(seed)
    values, state = np.empty((texts, tokens)), rng.normal(size=texts) / np.sqrt(1 - memory**2)
    for position in range(tokens):
        values[:, position] = state
        state = memory * state + rng.normal(size=texts)
    return values + 3


def coverage(values):
    """How often the interval of a row holds 3."""
    low, high = np.array([mean_intervals(row[None])[0] for row in values]).T
    return ((low <= 3) & (high >= 3)).mean()


def test_intervals_hold_the_mean_of_independent_tokens(monkeypatch):
    monkeypatch.setattr(bootstrap, "DRAWS", 400)
    assert 0.90 < coverage(series(200, 1024, 0.0)) < 0.99


def test_intervals_hold_the_mean_of_tokens_that_hang_together(monkeypatch):
    monkeypatch.setattr(bootstrap, "DRAWS", 400)
    assert 0.88 < coverage(series(200, 8192, 0.9)) < 0.99
    monkeypatch.setattr(bootstrap, "BLOCK", 1)
    assert coverage(series(60, 1024, 0.9)) < 0.6  # tokens drawn one by one promise too much


def test_a_difference_is_paired():
    shared, own = series(1, 4096, 0.5)[0], np.random.default_rng(1).normal(size=4096) / 100
    first, second, difference = mean_intervals(np.array([shared, shared + own, own]))
    assert np.ptp(difference) < np.ptp(first) / 20
    assert np.ptp(second) == pytest.approx(np.ptp(first), rel=0.1)


def test_the_same_values_give_the_same_intervals_and_the_mean_lies_within():
    values = series(3, 1000, 0.3)
    found = mean_intervals(values)
    assert np.array_equal(found, mean_intervals(values))
    assert (found[:, 0] < values.mean(1)).all() and (values.mean(1) < found[:, 1]).all()


@pytest.mark.parametrize("count", [1, 2, 31, 33, 300])
def test_few_tokens(count):
    low, high = mean_intervals(np.arange(count, dtype=float)[None])[0]
    assert 0 <= low <= (count - 1) / 2 <= high <= count - 1
    assert np.array_equal(mean_intervals(np.full((1, count), 7.0)), [[7, 7]])


def test_the_last_block_may_be_shorter():
    values = np.r_[np.zeros(8192), np.ones(1)][None]  # 32 blocks and one token
    assert mean_intervals(values)[0, 1] < 0.01
