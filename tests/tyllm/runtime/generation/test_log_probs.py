"""Log-probabilities from logits."""

import numpy as np
import pytest

from tyllm.runtime.generation.log_probs import log_sum_exp, token_logprob


def test_log_sum_exp_does_not_overflow():
    assert log_sum_exp(np.asarray([1000.0, 1000.0], np.float32)) == pytest.approx(1000 + np.log(2))


def test_a_token_and_the_likeliest():
    logits = np.log(np.asarray([0.5, 0.125, 0.25, 0.125], np.float32))
    found = token_logprob(logits, 1, 3)
    assert (found.token_id, found.logprob) == (1, pytest.approx(np.log(0.125)))
    assert [token for token, _ in found.top] == [0, 2, 1]  # equal ones in the order of their ids
    assert [logprob for _, logprob in found.top] == pytest.approx(np.log([0.5, 0.25, 0.125]))
    assert token_logprob(logits, 1, 0).top == ()
