"""The likelihood of a continuation is the sum over its tokens, whatever the cache still holds."""

import numpy as np
import pytest
from fake_package import reference_logits

from tyllm.evaluate.likelihood import continuation_likelihood
from tyllm.runtime import Session
from tyllm_base.errors import GenerationError

TEXT = [int(token) for token in np.random.default_rng(5).integers(0, 256, 64)]


@pytest.fixture
def session(toy):
    with Session(toy(dies=2)) as opened:
        yield opened


def expected(context, continuation):
    total = 0.0
    for end, token in enumerate(continuation, start=len(context)):
        logits = reference_logits([*context, *continuation][:end]).astype(float)
        total += logits[token] - np.log(np.exp(logits).sum())
    return total


def test_continuations_of_contexts_that_share_a_beginning(session):
    for split, end in ((10, 12), (10, 30), (5, 7), (1, 2), (40, 64)):
        found, _ = continuation_likelihood(session, TEXT[:split], TEXT[split:end])
        assert found == pytest.approx(expected(TEXT[:split], TEXT[split:end]), abs=1e-3)
    other = [TEXT[0], 7, *TEXT[2:9]]
    assert continuation_likelihood(session, other, [3])[0] == pytest.approx(expected(other, [3]), abs=1e-3)


def test_the_shared_beginning_is_fed_once(session):
    fed, step = [], session._runner.step
    session._runner.step = lambda batch: fed.extend(len(chunk.prompt) for chunk in batch) or step(batch)
    for token in (1, 2, 3):
        continuation_likelihood(session, TEXT[:20], [token])
    assert sum(fed) == 19 + 3


def test_greedy_is_what_decoding_writes(session):
    written = session.generate(TEXT[:9], max_new_tokens=4, ignore_eos=True).token_ids
    assert continuation_likelihood(session, TEXT[:9], written)[1]
    assert not continuation_likelihood(session, TEXT[:9], [*written[:-1], (written[-1] + 1) % 256])[1]


def test_a_context_that_is_too_long_loses_its_beginning(session):
    long = [9] * 30 + TEXT
    assert continuation_likelihood(session, long, [3, 4])[0] == pytest.approx(expected(TEXT[-63:], [3, 4]), abs=1e-3)


@pytest.mark.parametrize(("context", "continuation"), [([], [1]), ([1], []), ([1], [1] * 65)])
def test_what_cannot_be_scored(session, context, continuation):
    with pytest.raises(GenerationError, match="cannot be scored; give a context"):
        continuation_likelihood(session, context, continuation)
