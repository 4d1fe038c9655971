"""Sampling parameters that cannot work are refused, each with its value."""

import numpy as np
import pytest

from tyllm.runtime.generation.sampling_params import MOST_TEXTS, SamplingParams
from tyllm_base.errors import GenerationError


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": -1.0}, r"temperature is -1\.0, it must be a number, 0 \(greedy\) or more"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"top_k": -3}, "top_k is -3"),
        ({"top_k": 1.5}, r"top_k is 1\.5"),
        ({"top_p": 0.0}, r"top_p is 0\.0, it must be a number, more than 0 and at most 1"),
        ({"top_p": 1.1}, r"top_p is 1\.1"),
        ({"min_p": -0.1}, r"min_p is -0\.1"),
        ({"min_p": 2}, "min_p is 2"),
        ({"repetition_penalty": 0}, "repetition_penalty is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0, it must be a whole number, 1 or more, or None"),
        ({"logprobs": -1}, "logprobs is -1, it must be a whole number from 0, or None"),
        ({"stop": ("a", "")}, "A text of stop is empty"),
    ],
)
def test_values_that_cannot_work(settings, words):
    with pytest.raises(GenerationError, match=words) as caught:
        SamplingParams(**settings)
    assert caught.value.exit_code == 8


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_tokens": 5, "max_new_tokens": 4}, "min_tokens is 5, it must be at most max_new_tokens, which is 4"),
        ({"n": 3, "best_of": 2}, "best_of is 2, it must be None, or at least n, which is 3"),
        ({"presence_penalty": 2.5}, r"presence_penalty is 2\.5, it must be a number from -2 to 2"),
        ({"n": 0}, "n is 0, it must be a whole number, 1 or more"),
    ],
)
def test_values_that_contradict_one_another(settings, words):
    with pytest.raises(GenerationError, match=words):
        SamplingParams(**settings)


def test_values_become_plain():
    found = SamplingParams(temperature=np.float32(0.5), top_k=np.int64(3), stop="x", stop_token_ids=np.asarray([1, 2]))
    assert found == SamplingParams(temperature=0.5, top_k=3, stop=("x",), stop_token_ids=(1, 2))
    assert (type(found.temperature), type(found.top_k)) == (float, int)
    assert SamplingParams(stop=None, bad_words=None, stop_token_ids=None, logits_processors=None) == SamplingParams()


def test_what_is_left_open_is_the_authors_and_else_neutral():
    defaults = {"temperature": 0.7, "top_k": 20, "repetition_penalty": 1.05}
    found = SamplingParams(top_k=5, max_new_tokens=9).with_defaults(defaults)
    assert found == SamplingParams(
        temperature=0.7, top_k=5, top_p=1.0, min_p=0.0, repetition_penalty=1.05, max_new_tokens=9
    )
    assert SamplingParams(temperature=0).with_defaults(defaults).is_greedy
    assert SamplingParams().with_defaults({}).is_greedy


def test_several_greedy_texts_are_the_same():
    with pytest.raises(GenerationError, match="3 texts that take the likeliest token each time are the same"):
        SamplingParams(n=3).with_defaults({})
    assert SamplingParams(n=3).with_defaults({"temperature": 1.0}).count == 3
    assert SamplingParams(n=2, best_of=4).count == 4


@pytest.mark.parametrize(
    "settings",
    [{"logit_bias": {10: 1}}, {"allowed_token_ids": [3, 10]}, {"stop_token_ids": [10]}, {"eos_token_ids": [10]}],
)
def test_tokens_outside_the_vocabulary(settings):
    SamplingParams(**settings).check_vocabulary(11)
    with pytest.raises(GenerationError, match="has token 10, which is outside the vocabulary; give ids from 0 to 9"):
        SamplingParams(**settings).check_vocabulary(10)


def test_a_token_of_too_many_digits_to_be_shown():
    with pytest.raises(GenerationError, match="stop_token_ids has token a value of type int"):
        SamplingParams(stop_token_ids=[10**5000]).check_vocabulary(10)


@pytest.mark.parametrize("name", ["n", "best_of"])
def test_more_texts_than_a_prompt_may_have(name):
    SamplingParams(**{name: MOST_TEXTS})
    with pytest.raises(GenerationError, match=f"{name} is 1000000000, it must be at most 16,384"):
        SamplingParams(**{name: 10**9})
