"""The text of a generation as it comes, after the progress of its prompt; and a result as JSON."""

import json

import pytest

import tyllm.cli.streaming_output as module
from tyllm.cli.streaming_output import as_dict, print_cut, print_timings, stream_text
from tyllm.runtime import Session
from tyllm.runtime.generation.result import Result, Timings
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_base.errors import GenerationError

from .fake_session import FakeSession


def test_a_wrong_option_is_told_before_the_prompt_is_fed():
    session = FakeSession()
    with pytest.raises(GenerationError, match="top_p is 2"):
        stream_text(session, Prompt(range(100)), {"top_p": 2.0}, print)
    assert session.prefilled == []


def test_the_pieces_come_in_order():
    pieces = []
    result = stream_text(FakeSession(), Prompt([1, 2, 3]), {}, pieces.append)
    assert pieces == ["<", "3", ">"]
    assert result.text == "<3>"


def test_the_progress_of_the_prompt_is_shown_before_the_text(toy, monkeypatch):
    from contextlib import contextmanager

    from fake_package import reference_greedy

    shown = []

    @contextmanager
    def progress_bar(title):
        yield lambda *report: shown.append((title, *report))

    monkeypatch.setattr(module, "progress_bar", progress_bar)
    prompt = Prompt(list(range(20)))
    with Session(toy(dies=2)) as session:
        options = {"max_new_tokens": 3, "ignore_eos": True}
        result = stream_text(session, prompt, options, shown.append)
        assert shown[:2] == [("prompt", 8, 20, "tokens"), ("prompt", 16, 20, "tokens")]
        assert "".join(shown[2:]) == result.text
        assert result.token_ids == reference_greedy(prompt.tokens, 3)
        assert stream_text(session, prompt, options, shown.append).timings.cached_tokens == 19


def test_timings_in_a_line(capsys):
    print_timings(Timings(4, 3, 0.5, 3, 0.25, image_seconds=1.5))
    expected = (
        "[images: 1.50 s; prompt: 4 tokens (3 more were in the cache), 8.0 tokens/s; text: 3 tokens, 8.0 tokens/s]"
    )
    assert capsys.readouterr().err == f"{expected}\n"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("stop", ""),
        ("length", "[The answer was cut after 2 tokens: give more as --max-new-tokens, or leave it out.]\n"),
        (
            "cache_full",
            "[The answer was cut, the KV cache is full with 4,096 tokens: say /reset, or compile the model with "
            "a larger --max-kv-cache-size.]\n",
        ),
    ],
)
def test_why_an_answer_was_cut(capsys, reason, told):
    print_cut(Result("ab", [1, 2], reason), 4096, " say /reset, or")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", told)


def test_a_result_as_json():
    result = Result("naïve", [1, 2], "stop", timings=Timings(4, 0, 0.5, 2, 0.25))
    report = json.loads(json.dumps(as_dict(result)))
    assert report["timings"]["prompt_tokens_per_second"] == 8.0
    assert report["timings"]["decode_tokens_per_second"] == 4.0
    assert (report["text"], report["token_ids"], report["finish_reason"]) == ("naïve", [1, 2], "stop")
