"""What parameters do to logits before a token is picked."""

import numpy as np
import pytest

from tyllm.runtime.generation.logits_processors import logits_processors, spellings
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm_base.errors import GenerationError

IMPOSSIBLE = -np.inf


def letters(text):
    """Token n is the n-th letter; a space is 26."""
    return [26 if character == " " else ord(character) - ord("a") for character in text]


def processed(generated=(), encode=letters, ends=(25,), **params):
    logits = np.arange(27, dtype=np.float32)
    for process in logits_processors(SamplingParams(**params), encode, ends):
        logits = process(list(generated), logits)
    return logits


def impossible(logits):
    return np.flatnonzero(logits == IMPOSSIBLE).tolist()


def test_nothing_is_asked_for():
    assert logits_processors(SamplingParams(), letters, (25,)) == []


def test_allowed_tokens():
    assert impossible(processed(allowed_token_ids=[3, 5])) == [n for n in range(27) if n not in (3, 5)]


@pytest.mark.parametrize(
    ("generated", "found"),
    [("", [1]), ("c", [1]), ("ca", [1, 19]), ("c a", [1]), ("xca", [1, 19]), ("cat", [1])],
)
def test_bad_words_lose_their_last_token_where_the_others_have_come(generated, found):
    assert impossible(processed(letters(generated), bad_words=["b", "cat"])) == found


def test_a_bad_word_is_spelled_with_and_without_a_space():
    assert spellings("cat", letters) == [(2, 0, 19), (26, 2, 0, 19)]
    assert spellings(" b", letters) == [(1,), (26, 1)]
    assert spellings("b", lambda text: [7]) == [(7,)]


def test_bad_words_without_a_tokenizer():
    with pytest.raises(GenerationError, match=r"no tokenizer\.json, so bad_words cannot be found"):
        processed(encode=None, bad_words=["b"])


@pytest.mark.parametrize(("count", "found"), [(0, [25]), (1, [25]), (2, [])])
def test_fewest_tokens(count, found):
    assert impossible(processed([0] * count, min_tokens=2)) == found


def test_biases():
    found = processed(logit_bias={3: -100, 4: 0.5})
    assert (found[2:6] - np.arange(2, 6)).tolist() == [0, -100, 0.5, 0]


def test_the_callers_own_come_last():
    order = []

    def own(generated, logits):
        order.append((generated, float(logits[3])))
        return logits * 2

    assert processed([7], logit_bias={3: 10}, logits_processors=[own])[3] == 26
    assert order == [([7], 13.0)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "returned nothing"),
        (np.zeros(3), r"an array of shape \[3\]; return logits float32 \[27\]"),
        ("logits", r"an array of shape"),
    ],
)
def test_what_is_no_logits_is_refused(given, words):
    with pytest.raises(GenerationError, match=f"The logits processor mine .*{words}"):
        processed(logits_processors=[mine_of(given)])


def mine_of(given):
    def mine(generated, logits):
        return given

    return mine


def test_what_the_callers_own_raises_is_the_callers():
    def own(generated, logits):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        processed(logits_processors=[own])


def test_what_a_processor_gives_stays_as_it_is():
    """Penalties and the processors after it change a copy."""
    own = np.arange(27, dtype=np.float32)
    own.flags.writeable = False

    def lower(generated, logits):
        logits -= 1
        return logits

    assert processed(logits_processors=[mine_of(own), lower])[3] == 2
    assert own.tolist() == list(range(27))
