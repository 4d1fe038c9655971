"""A slot: how much it holds, what it shares with a prompt, and its way through a file."""

import numpy as np
import pytest
from fake_package import reference_logits

from tyllm.runtime import Session
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_base.errors import GenerationError


@pytest.fixture
def session(toy):
    with Session(toy(dies=2), slots=2) as opened:
        yield opened


def test_its_length_is_where_the_next_token_goes(session):
    slot = session.conversation().slot
    session.conversation().append([1, 2, 3])
    assert (len(slot), slot.limit, slot.number) == (3, 64, 0)
    assert slot.rows_left == session._package.buffers.kv_capacity - 3 > 61
    slot.rewind(1)
    assert slot.prefix.tokens == [1]
    with pytest.raises(GenerationError, match="Cannot rewind to 2 tokens: the conversation has 1"):
        slot.rewind(2)


def test_what_is_shared_stands_at_the_same_positions(session):
    session.conversation().append([1, 2, 3])
    slot = session.conversation().slot
    assert slot.shared_length(Prompt([1, 2, 4])) == 2
    slot.positions.shared_length = lambda prompt: 1
    assert slot.shared_length(Prompt([1, 2, 4])) == 1


def test_it_goes_through_a_file(session):
    session.conversation(0).append([1, 2, 3])
    session.conversation(1).slot.restore(session.conversation(0).slot.save())
    assert np.array_equal(session.conversation(1).append([4]), reference_logits([1, 2, 3, 4]))


def test_what_was_generated_meanwhile_does_not_go_on_in_what_was_restored(session):
    saved = session.conversation().save()
    stream = session.generate([1, 2, 3], max_new_tokens=9, stream=True, ignore_eos=True)
    next(stream)
    session.conversation().restore(saved)
    with pytest.raises(GenerationError, match="Another call took this conversation over"):
        list(stream)


def test_who_is_interrupted_while_restoring_finds_it_empty(session, monkeypatch):
    conversation = session.conversation()
    conversation.append([1, 2, 3])
    saved = conversation.save()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tyllm.runtime.cache.slot.copy_kv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        conversation.restore(saved)
    assert conversation.tokens == []
    assert np.array_equal(conversation.append([4]), reference_logits([4]))
