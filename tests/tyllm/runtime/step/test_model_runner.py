"""Steps: chunks of several sequences, each after what its slot holds."""

import numpy as np
import pytest
from fake_package import UNLUCKY, VOCAB, reference_logits

from tyllm.runtime import Session
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.step.model_runner import ScheduledChunk
from tyllm_base.errors import StepError


@pytest.fixture
def session(toy):
    with Session(toy(dies=2), slots=2) as opened:
        yield opened


def chunk(session, slot, tokens, seq_len, **options):
    return ScheduledChunk(session.conversation(slot).slot, Prompt(tokens), seq_len, **options)


def test_a_step_feeds_several_sequences(session):
    batch = [chunk(session, 0, [1, 2, 3], 8), chunk(session, 1, [7], 1, wants_logits=False)]
    first, none = session._runner.step(batch)
    assert none is None
    assert np.array_equal(first, reference_logits([1, 2, 3]))
    second, third = session._runner.step([chunk(session, 0, [4], 1), chunk(session, 1, [8, 9], 8)])
    assert np.array_equal(second, reference_logits([1, 2, 3, 4]))
    assert np.array_equal(third, reference_logits([7, 8, 9]))
    assert [session.conversation(slot).tokens for slot in (0, 1)] == [[1, 2, 3, 4], [7, 8, 9]]


def test_the_logits_of_each_token(session):
    logits = session._runner.logits_of_each_token(chunk(session, 0, [1, 2, 3], 8))
    assert logits.shape == (3, VOCAB) and logits.dtype == np.float32
    assert all(np.array_equal(row, reference_logits([1, 2, 3][: end + 1])) for end, row in enumerate(logits))
    assert session.conversation().tokens == [1, 2, 3]


def test_a_failed_step_leaves_the_slot_as_it_was(session):
    session.conversation().append([1, 2])
    with pytest.raises(StepError, match="unlucky"):
        session._runner.step([chunk(session, 0, [UNLUCKY], 1)])
    assert session.conversation().tokens == [1, 2]
    (logits,) = session._runner.step([chunk(session, 0, [3], 1)])
    assert np.array_equal(logits, reference_logits([1, 2, 3]))


def test_logits_that_are_no_numbers(session, monkeypatch):
    step = session._engine.step

    def step_to_nan(seq_len, slot, **parts):
        step(seq_len, slot, **parts)
        session._engine.io_views(seq_len)[1]["logits"][0] = np.nan

    monkeypatch.setattr(session._engine, "step", step_to_nan)
    with pytest.raises(StepError, match="computed logits that are not numbers"):
        session._runner.step([chunk(session, 0, [3], 1)])
