"""Options become a checked request."""

from dataclasses import fields

import pytest

from tyllm.runtime.generation.request import Options, Request
from tyllm.runtime.generation.sampling import Sampling
from tyllm_errors import GenerationError


def test_every_option_has_a_place():
    places = {field.name for field in (*fields(Request), *fields(Sampling))} - {"sampling"}
    assert places == set(Options.__annotations__)


def test_options_are_sorted_into_their_places():
    request = Request.of({"stop": "x", "temperature": 0.5, "eos_token_ids": [1], "max_new_tokens": 3})
    assert request == Request(3, ("x",), (1,), sampling=Sampling(temperature=0.5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0, it must be 1 or more"),
        ({"logprobs": -1}, "logprobs is -1"),
        ({"stop": ["a", ""]}, "A stop string is empty"),
        ({"top_p": 7.0}, r"top_p is 7\.0"),
    ],
)
def test_values_that_cannot_work(options, words):
    with pytest.raises(GenerationError, match=words):
        Request.of(options)


def test_an_unknown_option_is_a_mistake_of_the_program():
    with pytest.raises(GenerationError, match="no option temprature; its options are max_new_tokens"):
        Request.of({"temprature": 1.0})
