"""Prefill: chunks in order, one logits, progress."""

import numpy as np
import pytest
from fake_package import UNLUCKY, reference_logits

from tyllm.runtime import Session
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.step.prefill import feed, schedule_chunks
from tyllm_base.errors import StepError

PROMPT = Prompt(list(range(21)))


@pytest.fixture
def session(toy):
    with Session(toy(dies=2)) as opened:
        yield opened


def test_the_chunks_are_the_prompt_and_only_the_last_wants_logits(session):
    slot = session.conversation().slot
    chunks = schedule_chunks(slot.lease, PROMPT, session._runner)
    assert [token for chunk in chunks for token in chunk.prompt.tokens] == PROMPT.tokens
    assert [chunk.logits for chunk in chunks] == ["none", "none", "last"]
    assert all(len(chunk.prompt) <= 8 and chunk.slot is slot for chunk in chunks)


def test_positions_are_assigned_once_for_the_whole_prompt(session, monkeypatch):
    assigned = []
    slot = session.conversation().slot
    monkeypatch.setattr(slot.positions, "assign", lambda start, prompt: assigned.append((start, len(prompt))))
    feed(session._runner, slot.lease, PROMPT)
    feed(session._runner, slot.lease, Prompt([5]))
    assert assigned == [(0, 21), (21, 1)]


def test_progress_after_each_step_but_the_last(session):
    reports = []
    logits = feed(session._runner, session.conversation().slot.lease, PROMPT, lambda *report: reports.append(report))
    assert reports == [(8, 21, "tokens"), (16, 21, "tokens")]
    assert np.array_equal(logits, reference_logits(PROMPT.tokens))


def test_what_was_fed_before_a_failure_stays(session):
    slot = session.conversation().slot
    with pytest.raises(StepError, match="unlucky"):
        feed(session._runner, slot.lease, Prompt([*range(8), UNLUCKY]))
    assert slot.prefix.tokens == list(range(8))
    with pytest.raises(StepError, match="unlucky"):
        session.conversation().append([*range(8), UNLUCKY])  # a conversation keeps nothing of it
    assert slot.prefix.tokens == list(range(8))
