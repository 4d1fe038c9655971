"""Feeding a prompt in pieces, and a result as JSON."""

import json

import pytest

from tyllm.cli.streaming_output import as_dict, prefill, speak
from tyllm.runtime.generation.result import Result, Timings
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_errors import GenerationError

from .fake_session import FakeSession


def ignore(done, total, what):
    """No progress."""


def test_a_short_prompt_is_left_to_generate():
    session = FakeSession()
    assert prefill(session, Prompt(range(64)), ignore).tokens == 0
    assert session.talk.tokens == []


def test_the_last_piece_of_a_long_prompt_is_left_to_generate():
    session, reports = FakeSession(), []
    fed = prefill(session, Prompt(range(129)), lambda *report: reports.append(report))
    assert fed.tokens == 128
    assert reports == [(64, 129, "tokens"), (128, 129, "tokens")]


def test_what_the_cache_holds_is_not_fed_again():
    session = FakeSession()
    session.talk.tokens = [0, 1, 2, 99]
    prefill(session, Prompt(range(100)), ignore)
    assert session.talk.tokens == list(range(3 + 64))


def test_a_wrong_option_is_told_before_the_prompt_is_fed():
    session = FakeSession()
    with pytest.raises(GenerationError, match="top_p is 2"):
        speak(session, Prompt(range(100)), {"top_p": 2.0}, print)
    assert session.talk.appended == []


def test_the_pieces_come_in_order():
    pieces = []
    result = speak(FakeSession(), Prompt([1, 2, 3]), {}, pieces.append)
    assert pieces == ["<", "3", ">"]
    assert result.text == "<3>"


def test_a_result_as_json():
    result = Result("naïve", [1, 2], "stop", timings=Timings(4, 0, 0.5, 2, 0.25))
    report = json.loads(json.dumps(as_dict(result)))
    assert report["timings"]["prompt_tokens_per_second"] == 8.0
    assert report["timings"]["decode_tokens_per_second"] == 4.0
    assert (report["text"], report["token_ids"], report["finish_reason"]) == ("naïve", [1, 2], "stop")
