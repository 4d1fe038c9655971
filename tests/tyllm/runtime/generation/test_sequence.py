"""The state of one sequence, driven by hand: what is pending, what logits do to it, and how it ends."""

from types import SimpleNamespace

import numpy as np
import pytest

from tyllm.runtime.cache.positions import CountedPositions
from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_base.errors import GenerationError

VOCAB = 26
MANIFEST = SimpleNamespace(vocab_size=VOCAB, hidden_size=4, embedding_as_input=False)


class Letters:
    """Token n is the n-th letter."""

    def decode(self, tokens, skip_special_tokens):
        return "".join(chr(ord("a") + token) for token in tokens)


@pytest.fixture
def slot():
    buffers = SimpleNamespace(max_kv_cache_size=8, kv_capacity=8)
    return CacheSlot(SimpleNamespace(package=SimpleNamespace(buffers=buffers)), 0, CountedPositions())


def sequence(slot, prompt=(0, 1), tokenizer=Letters(), reuse=False, **params):  # noqa: B008
    found = SequenceState(Prompt(list(prompt)), SamplingParams(**params), tokenizer, (25,))
    found.take_slot(slot, MANIFEST, reuse=reuse)
    return found


def logits_for(letter):
    return np.eye(VOCAB, dtype=np.float32)[ord(letter) - ord("a")]


def drive(state, letters):
    """What a scheduler does: feed what is pending, then accept; the pieces of text."""
    pieces = []
    for letter in letters:
        state.slot.prefix.extend(state.pending)
        pieces.append(state.accept(logits_for(letter)))
    return pieces


def test_the_prompt_is_pending_until_it_was_fed_and_then_the_last_token(slot):
    state = sequence(slot)
    assert state.pending.tokens == [0, 1]
    slot.prefix.extend(state.pending[:1])
    assert state.pending.tokens == [1]
    slot.prefix.extend(state.pending)
    assert state.accept(logits_for("c")) == "c"
    assert state.pending.tokens == [2]
    assert not state.finished


@pytest.mark.parametrize(
    ("params", "letters", "text", "reason"),
    [
        ({"max_new_tokens": 3}, "cde", "cde", "length"),
        ({}, "cz", "c", "stop"),
        ({"ignore_eos": True, "max_new_tokens": 2}, "cz", "cz", "length"),
        ({"eos_token_ids": (3,)}, "zd", "z", "stop"),
        ({"stop": ("de",)}, "cde", "c", "stop"),
        ({"stop": ("dd",), "max_new_tokens": 2}, "cd", "cd", "length"),
        ({}, "cdefghi", "cdefghi", "cache_full"),
    ],
)
def test_how_it_ends(slot, params, letters, text, reason):
    state = sequence(slot, **params)
    pieces = drive(state, letters)
    assert state.finished
    assert (state.result.finish_reason, state.result.text, "".join(pieces)) == (reason, text, text)
    assert len(state.result.token_ids) == len(letters) == state.result.timings.new_tokens


def test_the_next_sequence_reuses_what_is_shared(slot):
    drive(sequence(slot), "cd")
    assert slot.prefix.tokens == [0, 1, 2]
    state = sequence(slot, (0, 1, 2, 7), reuse=True)
    assert (state.pending.tokens, state.result.timings.reused_tokens, state.result.timings.prompt_tokens) == ([7], 3, 1)
    state = sequence(slot, (0, 1, 2), reuse=True)  # its last token is fed again, for its logits
    assert (state.pending.tokens, state.result.timings.reused_tokens) == ([2], 2)
    assert sequence(slot, (0, 1, 2)).pending.tokens == [0, 1, 2]


def test_whose_slot_was_taken(slot):
    first, second = sequence(slot), sequence(slot)
    second.check_owner()
    with pytest.raises(GenerationError, match="Another call took this conversation over"):
        first.check_owner()


def test_a_prompt_that_does_not_fit_takes_no_slot(slot):
    first = sequence(slot)
    with pytest.raises(GenerationError, match="9 tokens are more than the 8"):
        sequence(slot, range(9))
    first.check_owner()


def test_without_a_tokenizer(slot):
    assert drive(sequence(slot, tokenizer=None), "cd") == ["", ""]
    with pytest.raises(GenerationError, match=r"no tokenizer\.json, so stop strings"):
        sequence(slot, tokenizer=None, stop=("a",))


def test_log_probabilities_where_they_are_asked_for(slot):
    state = sequence(slot, logprobs=1)
    drive(state, "c")
    (found,) = state.result.logprobs
    assert (found.token_id, found.top[0][0]) == (2, 2)
    assert sequence(slot).result.logprobs == []


def test_a_penalty_sees_all_that_was_fed(slot):
    state = sequence(slot, (2, 3), repetition_penalty=10.0)
    slot.prefix.extend(state.pending)
    state.accept(logits_for("c") + np.float32(0.5) * logits_for("e"))
    assert state.result.token_ids == [4]
