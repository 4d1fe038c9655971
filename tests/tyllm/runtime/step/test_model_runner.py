"""Steps: chunks of several sequences, each after what its slot holds."""

import numpy as np
import pytest
from fake_package import UNLUCKY, VOCAB, reference_logits

from tyllm.runtime import Session
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.step.model_runner import ScheduledChunk
from tyllm_base.errors import StepError


@pytest.fixture(params=[(), (4, 16)], ids=["one sequence a run", "batches of 4 and 16"])
def session(toy, request):
    with Session(toy(dies=2, batch_sizes=request.param), slots=3) as opened:
        yield opened


def chunk(session, slot, tokens, **options):
    return ScheduledChunk(session.conversation(slot).slot.lease, Prompt(tokens), **options)


def test_a_step_feeds_several_sequences(session):
    batch = [chunk(session, 0, [1, 2, 3]), chunk(session, 1, [7], logits="none")]
    (first,), none = session._runner.step(batch)
    assert none.shape == (0, VOCAB)
    assert np.array_equal(first, reference_logits([1, 2, 3]))
    (second,), (third,) = session._runner.step([chunk(session, 0, [4]), chunk(session, 1, [8, 9])])
    assert np.array_equal(second, reference_logits([1, 2, 3, 4]))
    assert np.array_equal(third, reference_logits([7, 8, 9]))
    assert [session.conversation(slot).tokens for slot in (0, 1)] == [[1, 2, 3, 4], [7, 8, 9]]


def test_any_mixture_of_chunks_gives_each_sequence_its_own_logits(session):
    """Random chunks of three sequences, of which some want no logits, the last one's or all."""
    rng, fed = np.random.default_rng(0), [[], [], []]
    for _ in range(60):
        slots = rng.permutation(3)[: rng.integers(1, 4)].tolist()
        given = {slot: rng.integers(0, UNLUCKY, rng.integers(1, 7)).tolist() for slot in slots}
        wanted = dict(zip(slots, rng.choice(["none", "last", "all"], len(slots)), strict=True))
        for slot, tokens in given.items():
            if len(fed[slot]) + len(tokens) > 60:
                session.conversation(slot).reset()
                fed[slot].clear()
        results = session._runner.step([chunk(session, slot, given[slot], logits=wanted[slot]) for slot in slots])
        for slot, logits in zip(slots, results, strict=True):
            fed[slot] += given[slot]
            count = {"none": 0, "last": 1, "all": len(given[slot])}[wanted[slot]]
            ends = range(len(fed[slot]) - count + 1, len(fed[slot]) + 1)
            assert np.array_equal(logits, np.reshape([reference_logits(fed[slot][:end]) for end in ends], (-1, VOCAB)))
    assert [session.conversation(slot).tokens for slot in range(3)] == fed


def test_chunks_that_fit_a_batch_share_one_run(toy, monkeypatch):
    with Session(toy(batch_sizes=(4, 16)), slots=2) as session:
        shapes, step = [], session._engine.step
        monkeypatch.setattr(
            session._engine, "step", lambda shape, *a, **b: (shapes.append(shape), step(shape, *a, **b))
        )
        for tokens in ([[1], [2]], [[1, 2, 3], [4, 5]], [[1] * 8, [2] * 8], [[1] * 8, [2]], [[3]], [[1, 2]]):
            session._runner.step([chunk(session, slot, own) for slot, own in enumerate(tokens)])
        session._runner.step([chunk(session, 0, [1, 2, 3], logits="all")])
    assert session._runner.max_batch_rows == 16
    alone = [(1, 1), (1, 8)]
    assert shapes == [(4, 1), (16, 1), (16, 1), (16, 1), *alone, (4, 1)]


def test_the_logits_of_each_token(session):
    (logits,) = session._runner.step([chunk(session, 0, [1, 2, 3], logits="all")])
    assert logits.shape == (3, VOCAB) and logits.dtype == np.float32
    assert all(np.array_equal(row, reference_logits([1, 2, 3][: end + 1])) for end, row in enumerate(logits))
    assert session.conversation().tokens == [1, 2, 3]


def test_a_failed_step_leaves_the_slot_as_it_was(session):
    session.conversation().append([1, 2])
    with pytest.raises(StepError, match="unlucky"):
        session._runner.step([chunk(session, 0, [UNLUCKY])])
    assert session.conversation().tokens == [1, 2]
    ((logits,),) = session._runner.step([chunk(session, 0, [3])])
    assert np.array_equal(logits, reference_logits([1, 2, 3]))


def test_logits_that_are_no_numbers(session, monkeypatch):
    step = session._engine.step

    def step_to_nan(shape, slot=0, **parts):
        step(shape, slot, **parts)
        session._engine.io_views(shape)[1]["logits"][0, 0] = np.nan

    monkeypatch.setattr(session._engine, "step", step_to_nan)
    with pytest.raises(StepError, match="computed logits that are not finite numbers"):
        session.conversation().append([3])
    with pytest.raises(StepError, match="computed logits that are not finite numbers"):
        session.score([3, 4, 5])


def test_a_slot_that_is_released_is_empty_memory(session):
    session.conversation(1).append(range(20))
    assert any(view["k"].any() for view in session._engine.kv_views(0, 1))
    session._engine.release_slot(1)
    assert not any(view["k"].any() for view in session._engine.kv_views(0, 1))
