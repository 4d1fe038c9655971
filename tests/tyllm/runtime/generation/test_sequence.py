"""The state of one sequence, driven by hand: what is pending, what logits do to it, and how it ends."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from tyllm.runtime.cache.positions import CountedPositions
from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_base.errors import GenerationError, StepError

VOCAB = 26
MANIFEST = SimpleNamespace(vocab_size=VOCAB, hidden_size=4, embedding_as_input=False)


class Letters:
    """Token n is the n-th letter; some may be special."""

    def __init__(self, special=""):
        self.special = {ord(letter) - ord("a"): letter for letter in special}

    def encode(self, text, add_special_tokens):
        return [ord(letter) - ord("a") for letter in text.strip()]

    def decode(self, tokens, skip_special_tokens):
        shown = [token for token in tokens if not (skip_special_tokens and token in self.special)]
        return "".join(chr(ord("a") + token) for token in shown)


@pytest.fixture
def slot():
    buffers = SimpleNamespace(max_kv_cache_size=8, kv_capacity=8)
    engine = SimpleNamespace(package=SimpleNamespace(buffers=buffers), lock=threading.RLock(), check_open=lambda: None)
    return CacheSlot(engine, 0, CountedPositions())


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
    assert (state.pending.tokens, state.result.timings.cached_tokens, state.result.timings.prompt_tokens) == ([7], 3, 1)
    state = sequence(slot, (0, 1, 2), reuse=True)  # its last token is fed again, for its logits
    assert (state.pending.tokens, state.result.timings.cached_tokens) == ([2], 2)
    assert sequence(slot, (0, 1, 2)).pending.tokens == [0, 1, 2]


def test_whose_slot_was_taken(slot):
    first, second = sequence(slot), sequence(slot)
    assert second.pending.tokens == [0, 1]
    with pytest.raises(GenerationError, match="Another call took this conversation over"):
        _ = first.pending


def test_a_prompt_that_does_not_fit_takes_no_slot(slot):
    first = sequence(slot)
    slot.prefix.extend(first.pending)
    with pytest.raises(GenerationError, match="9 tokens are more than the 8"):
        sequence(slot, range(9))
    first.accept(logits_for("c"))
    assert first.pending.tokens == [2]


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
    sequence(slot, (4, 4))  # and nothing of whoever takes the slot over
    state.accept(logits_for("e") + np.float32(0.5) * logits_for("f"))
    assert state.result.token_ids == [4, 5]


@pytest.mark.parametrize(
    ("params", "letters", "text", "why"),
    [
        ({"stop": "de", "include_stop_str_in_output": True}, "cde", "cde", "de"),
        ({"stop_token_ids": [3]}, "cd", "c", 3),
        ({"stop_token_ids": [3], "include_stop_str_in_output": True}, "cd", "cd", 3),
        ({"stop_token_ids": [3], "ignore_eos": True}, "zd", "z", 3),
        ({}, "cz", "c", None),
        ({"stop": "cd", "min_tokens": 3}, "cdecd", "cde", "cd"),
        ({"stop": "dec", "min_tokens": 2}, "cdec", "c", "dec"),
    ],
)
def test_what_ended_it(slot, params, letters, text, why):
    state = sequence(slot, **params)
    assert "".join(drive(state, letters)) == text
    assert (state.result.finish_reason, state.result.stop_reason) == ("stop", why)


@pytest.mark.parametrize("stops", [["y"], ["yd"], ["never", "cy"]])
def test_a_stop_string_may_have_special_tokens_that_the_text_leaves_out(slot, stops):
    state = sequence(slot, tokenizer=Letters(special="yx"), stop=stops)
    drive(state, "xcyd"[: 3 + ("yd" in stops)])
    assert (state.result.finish_reason, state.result.stop_reason) == ("stop", stops[-1])
    assert state.result.text == "c".removesuffix("c" * ("cy" in stops))


def test_a_special_token_in_a_stop_string_that_does_not_come_is_not_shown(slot):
    state = sequence(slot, tokenizer=Letters(special="y"), stop="yd", max_new_tokens=4)
    assert "".join(drive(state, "cyey")) == "ce"


def test_no_end_before_the_fewest_tokens(slot):
    state = sequence(slot, min_tokens=2, stop_token_ids=[24])
    slot.prefix.extend(state.pending)
    state.accept(logits_for("z") + np.float32(0.5) * logits_for("c") + np.float32(0.7) * logits_for("y"))
    assert state.result.token_ids == [2]


def test_bad_words_are_not_written(slot):
    state = sequence(slot, bad_words=["cd"])
    slot.prefix.extend(state.pending)
    drive(state, "c")
    state.accept(logits_for("d") + np.float32(0.5) * logits_for("e"))
    assert state.result.text == "ce"


def test_logits_that_are_no_numbers_leave_it_as_it_was(slot):
    state = sequence(slot)
    slot.prefix.extend(state.pending)
    with pytest.raises(StepError, match="not finite numbers"):
        state.accept(np.full(VOCAB, np.inf, np.float32))
    assert state.result.token_ids == [] and state.accept(logits_for("c")) == "c"


def test_tokens_that_there_are_not(slot):
    with pytest.raises(GenerationError, match="logit_bias has token 26"):
        sequence(slot, logit_bias={26: 1})
