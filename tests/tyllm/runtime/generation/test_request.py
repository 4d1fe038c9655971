"""Options become a checked request."""

from dataclasses import fields

import numpy as np
import pytest

from tyllm.runtime.generation.request import GenerateOptions, Request
from tyllm.runtime.generation.sampling_params import CHECKS, SamplingParams
from tyllm_base.errors import GenerationError


def test_every_option_has_a_place():
    places = {field.name for field in (*fields(Request), *fields(SamplingParams))} - {"params"}
    assert places | {"sampling_params"} == set(GenerateOptions.__annotations__)
    assert {field.name for field in fields(SamplingParams)} == set(CHECKS)


def test_options_are_sorted_into_their_places():
    request = Request.of({"stop": "x", "temperature": 0.5, "eos_token_ids": [1], "max_new_tokens": 3})
    expected = SamplingParams(max_new_tokens=3, stop=("x",), eos_token_ids=(1,), temperature=0.5)
    assert request == Request(expected)
    assert Request.of({"sampling_params": expected, "slot": 1}) == Request(expected, slot=1)


def test_a_value_that_cannot_work_is_refused():
    with pytest.raises(GenerationError, match=r"top_p is 7\.0"):
        Request.of({"top_p": 7.0})


def test_an_unknown_option_is_a_mistake_of_the_program():
    with pytest.raises(GenerationError, match="no option temprature; its options are sampling_params, max_new_tokens"):
        Request.of({"temprature": 1.0})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampling_params": {"top_k": 3}}, "sampling_params is .*, it must be a SamplingParams"),
        ({"sampling_params": SamplingParams(), "top_k": 3}, "top_k and sampling_params are both given"),
        ({"n": 3}, "A session generates one text at a time, and 3 are asked for"),
        ({"best_of": 2}, "and 2 are asked for"),
        ({"prompt_logprobs": 0}, "call Session.score"),
        ({"images": "cat.jpg"}, r"images is 'cat.jpg', it must be a list; put a single one into brackets: images=\["),
        ({"image_fit": "stretch"}, "image_fit is 'stretch', it must be 'pad' or 'resize'"),
        ({"slot": True}, "slot is True, it must be the number of a slot"),
    ],
)
def test_what_a_session_cannot_do(options, words):
    with pytest.raises(GenerationError, match=words):
        Request.of(options)


def test_none_is_what_it_is_without_the_option():
    optional = {"sampling_params", "stop", "max_new_tokens", "images", "videos", "temperature", "seed", "logit_bias"}
    assert Request.of(dict.fromkeys(optional)) == Request()


NOT_NUMBERS = ["0.5", b"1", True, [1], {}, float("nan"), 1j, np.zeros(1), 10**400, object()]
NOT_WHOLE = ["1", b"1", True, 1.0, 5.5, [1], float("nan"), np.float32(1), -1]
NOT_FLAGS = ["yes", 1, 0, None, []]
NOT_TEXTS = [3, b"end", ["a", 3], [b"a"], {"a": 1}, "", [""], np.zeros((1, 1))]
NOT_TOKENS = [5, "5", b"5", [1.5], ["end"], [True], [-1], [[1]], {1: 2}, np.zeros((1, 1), np.int64)]
NOT_LISTS = ["cat.jpg", b"cat", 3, {"a": 1}, np.zeros((4, 4, 3), np.uint8)]
WRONG = {
    "sampling_params": ["greedy", 3, {"top_k": 3}],
    **{key: [*NOT_NUMBERS, -1, float("inf")] for key in ["temperature", "top_p", "min_p", "repetition_penalty"]},
    **{key: [*NOT_NUMBERS, None, 3] for key in ["presence_penalty", "frequency_penalty"]},
    **{key: [*NOT_WHOLE, 0] for key in ["max_new_tokens", "n", "best_of"]},
    **dict.fromkeys(["min_tokens", "top_k", "logprobs", "prompt_logprobs", "seed", "slot"], NOT_WHOLE),
    **dict.fromkeys(["ignore_eos", "include_stop_str_in_output", "skip_special_tokens", "reuse"], NOT_FLAGS),
    **dict.fromkeys(["stop", "bad_words"], NOT_TEXTS),
    **dict.fromkeys(["stop_token_ids", "eos_token_ids"], NOT_TOKENS),
    "allowed_token_ids": [*NOT_TOKENS, []],
    "logit_bias": [[3], 3, "3", {"3": 1}, {3: "1"}, {3: 101}, {-1: 1}, {3: float("nan")}, {True: 1}],
    "logits_processors": [len, [3], "len", {"a": len}],
    "structured_outputs": [{"regex": "a"}, "json", 3, [None]],
    **dict.fromkeys(["images", "videos"], NOT_LISTS),
    "image_fit": [3, None, "stretch", b"pad", ["pad"]],
}


def test_every_option_has_wrong_values():
    assert WRONG.keys() == GenerateOptions.__annotations__.keys()


@pytest.mark.parametrize("name", WRONG)
def test_a_value_of_a_wrong_type_is_named_with_its_option_and_what_it_must_be(name):
    for value in WRONG[name]:
        with pytest.raises(GenerationError) as caught:
            Request.of({name: value})
        sentence = str(caught.value)
        assert name in sentence and ("it must be" in sentence or "is empty" in sentence), (value, sentence)
        assert len(sentence) < 250 and sentence.endswith(".")
