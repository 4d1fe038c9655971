"""Options become a checked request."""

from dataclasses import fields

import pytest

from tyllm.runtime.generation.request import GenerateOptions, Request
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm_base.errors import GenerationError


def test_every_option_has_a_place():
    places = {field.name for field in (*fields(Request), *fields(SamplingParams))} - {"params"}
    assert places == set(GenerateOptions.__annotations__)


def test_options_are_sorted_into_their_places():
    request = Request.of({"stop": "x", "temperature": 0.5, "eos_token_ids": [1], "max_new_tokens": 3})
    assert request == Request(SamplingParams(3, ("x",), (1,), temperature=0.5))


def test_a_value_that_cannot_work_is_refused():
    with pytest.raises(GenerationError, match=r"top_p is 7\.0"):
        Request.of({"top_p": 7.0})


def test_an_unknown_option_is_a_mistake_of_the_program():
    with pytest.raises(GenerationError, match="no option temprature; its options are max_new_tokens"):
        Request.of({"temprature": 1.0})
