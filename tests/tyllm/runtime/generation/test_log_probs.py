"""Log-probabilities from logits."""

import numpy as np
import pytest

from tyllm.runtime.generation.log_probs import log_sum_exp, logprobs_of, token_logprob
from tyllm_base.errors import StepError


def test_log_sum_exp_does_not_overflow():
    assert log_sum_exp(np.asarray([1000.0, 1000.0], np.float32)) == pytest.approx(1000 + np.log(2))


def test_a_token_and_the_likeliest():
    logits = np.log(np.asarray([0.5, 0.125, 0.25, 0.125], np.float32))
    found = token_logprob(logits, 1, 3)
    assert (found.token_id, found.logprob) == (1, pytest.approx(np.log(0.125)))
    assert [token for token, _ in found.top] == [0, 2, 1]  # equal ones in the order of their ids
    assert [logprob for _, logprob in found.top] == pytest.approx(np.log([0.5, 0.25, 0.125]))
    assert token_logprob(logits, 1, 0).top == ()


@pytest.mark.parametrize(("rows", "vocabulary", "count"), [(1, 40_000, 5), (3, 600, 0), (7, 5, 9), (0, 8, 2)])
def test_rows_against_float64(rows, vocabulary, count):
    random = np.random.default_rng(rows)
    logits, tokens = random.normal(0, 4, (rows, vocabulary)).astype(np.float32), random.integers(0, vocabulary, rows)
    exact = logits.astype(np.float64)
    exact -= np.log(np.exp(exact).sum(axis=1, keepdims=True))
    found = logprobs_of(logits, tokens.tolist(), count)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    assert np.allclose(found.of_tokens, exact[np.arange(rows), tokens], atol=1e-6)
    assert found.top_tokens.tolist() == order.tolist()
    assert np.allclose(found.top, np.take_along_axis(exact, order, axis=1), atol=1e-6)


def test_logits_that_are_no_numbers():
    for bad in (np.nan, np.inf):
        with pytest.raises(StepError, match="not finite numbers"):
            logprobs_of(np.asarray([[0, 1], [bad, 0]], np.float32), [0, 0])
    assert logprobs_of(np.asarray([[0, -np.inf]], np.float32), [1]).of_tokens[0] == -np.inf
