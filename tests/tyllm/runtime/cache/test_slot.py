"""A slot: how much it holds, what it shares with a prompt, and its way through a file."""

import random
import sys
import threading
from functools import cache

import numpy as np
import pytest
from fake_package import reference_greedy, reference_logits

from tyllm.runtime import Session
from tyllm.runtime.generation.log_probs import log_sum_exp
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
    with pytest.raises(GenerationError, match="Cannot rewind to True tokens"):
        slot.rewind(True)
    slot.rewind(np.int64(0))
    assert len(slot) == 0


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


PROMPTS = [[20 * who + 7 * token % 13 for token in range(21 + who)] for who in range(3)]
SAVED = [5, 6, 7]


@cache
def expected(who, kind):
    prompt = PROMPTS[who]
    if kind == "generate":
        return reference_greedy(prompt, 9)
    rows = [reference_logits(prompt[:end]) for end in range(1, len(prompt) + 1)]
    if kind == "logits":
        return rows[-1]
    return [row[token] - log_sum_exp(row) for row, token in zip(rows, prompt[1:], strict=False)]


def generate(session, who, **options):
    result = session.generate(PROMPTS[who], max_new_tokens=9, ignore_eos=True, **options)
    assert result.token_ids == expected(who, "generate")


def after_what_is_there(session, who):
    """All of the prompt behind whole prompts of others."""
    conversation = session.conversation()
    logits, tokens = conversation.append(PROMPTS[who][:15]), conversation.tokens
    if tokens[-15:] == PROMPTS[who][:15]:  # else another call came between these lines
        assert np.array_equal(logits, reference_logits(tokens))


def save(session, who):
    conversation = session.conversation(1)
    conversation.restore(session.conversation().save())
    conversation.rewind(min(len(conversation), 63))
    assert np.array_equal(conversation.append([9]), reference_logits(conversation.tokens))


CALLS = {
    "generate": generate,
    "generate with reuse": lambda session, who: generate(session, who, reuse=True),
    "logits": lambda session, who: np.testing.assert_array_equal(session.logits(PROMPTS[who]), expected(who, "logits")),
    "score": lambda session, who: np.testing.assert_allclose(
        session.score(PROMPTS[who]), expected(who, "score"), atol=1e-4
    ),
    "append": after_what_is_there,
    "rewind": lambda session, who: session.conversation().rewind(0),
    "restore": lambda session, who: session.conversation().restore(session.saved),
    "save": save,
}
CHANGING = [name for name in CALLS if name != "save"]


@pytest.fixture
def between(session):
    """`between(call)`: another thread makes the call once, before the second step of whatever runs then."""
    runner, waiting = session._runner, []
    session.conversation().append(SAVED)
    session.saved = session.conversation().save()
    session.conversation().reset()

    def told(step):
        def run(chunks):
            if len(session.conversation()) and waiting:
                waiting.pop().start_and_join()
            return step(chunks)

        return run

    runner.step = told(runner.step)

    def arrange(call):
        waiting.append(Caller(session, [call], 1))
        return waiting[0]

    return arrange


class Caller(threading.Thread):
    """Makes calls and keeps what came of them: "right", the sentence, or another exception."""

    def __init__(self, session, names, who):
        super().__init__(daemon=True)
        self.session, self.names, self.who, self.ends = session, names, who, []

    def run(self):
        for name in self.names:
            self.ends.append(end_of(self.session, name, self.who))

    def start_and_join(self):
        self.start()
        self.join(30)


def end_of(session, name, who):
    try:
        CALLS[name](session, who)
    except GenerationError as error:
        return str(error)
    except BaseException as error:
        return repr(error)
    return "right"


TAKEN = "Another call took this conversation over; give each conversation a slot of its own."


@pytest.mark.parametrize("intruder", CALLS)
@pytest.mark.parametrize("victim", ["generate", "generate with reuse", "logits", "score", "append"])
def test_whoever_is_taken_over_is_told_and_the_other_is_right(session, between, victim, intruder):
    other = between(intruder)
    assert end_of(session, victim, 0) == ("right" if intruder == "save" else TAKEN)
    assert other.ends == ["right"]
    conversation = session.conversation()
    assert np.array_equal(conversation.append([9]), reference_logits(conversation.tokens))


def test_an_append_that_another_call_ended_leaves_nothing(session, between):
    session.conversation().append([1, 2])
    between("append")
    assert end_of(session, "append", 0) == TAKEN
    assert session.conversation().tokens == [1, 2, *PROMPTS[1][:15]]


def test_two_threads_on_one_slot_get_right_answers_or_are_told(session, between):
    """`between` arranges nothing here: the threads meet where they do."""
    callers = [Caller(session, random.Random(who).choices(CHANGING, k=60), who) for who in (0, 1)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
    finally:
        sys.setswitchinterval(before)
    ends = [end for caller in callers for end in caller.ends]
    allowed = ("right", TAKEN, "tokens after", "tokens are more")
    assert len(ends) == 120 and [end for end in ends if not any(words in end for words in allowed)] == []
    assert ends.count("right") > 30
