"""Exactly one form, of the right type and a bounded length."""

import pytest

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.structured_outputs import MOST_CHARACTERS, StructuredOutputsParams
from tyllm_base.errors import GenerationError


def test_a_schema_becomes_text():
    assert StructuredOutputsParams(json={"type": "string"}).json == '{"type": "string"}'
    assert StructuredOutputsParams(json='{"type": "string"}').json == '{"type": "string"}'
    assert StructuredOutputsParams(choice=["a", "b"]).choice == ("a", "b")


def test_what_is_no_form_object():
    with pytest.raises(GenerationError, match=r"structured_outputs is .*must be a StructuredOutputsParams"):
        SamplingParams(structured_outputs={"regex": "a"})


ENDLESS: dict = {}
ENDLESS["properties"] = ENDLESS


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "has nothing; give one of json"),
        ({"regex": "a", "choice": ["b"]}, "has regex, choice; give one of"),
        ({"regex": 5}, "regex is 5, it must be a text"),
        ({"grammar": b"start"}, "grammar is b'start', it must be a text"),
        ({"json": "{"}, "json is no JSON schema"),
        ({"json": {1, 2}}, "json is no JSON schema"),
        ({"json": ENDLESS}, "json is no JSON schema"),
        ({"json": {"minimum": float("nan")}}, "json is no JSON schema"),
        ({"choice": []}, "one text or more"),
        ({"choice": [1]}, "choice"),
        ({"choice": ["a", "\ud800"]}, "choice is not Unicode"),
        ({"regex": "\ud800"}, "regex is not Unicode"),
        ({"grammar": 'start: "\ud800"'}, "grammar is not Unicode"),
        ({"json_object": "yes"}, "json_object"),
        ({"regex": "a" * (MOST_CHARACTERS + 1)}, "regex has 65,537 characters; give at most"),
        ({"choice": ["a" * MOST_CHARACTERS, "b"]}, "choice has 65,537 characters"),
    ],
)
def test_what_is_no_form(form, said):
    with pytest.raises(GenerationError, match=said):
        StructuredOutputsParams(**form)
