"""`tyllm run`: where the prompt comes from, what goes to stdout and what to stderr."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tyllm.cli import run as module
from tyllm.runtime import Session
from tyllm.runtime.prompt.prompt import Insert, Prompt

from .fake_session import FakeSession


@pytest.fixture
def session(monkeypatch):
    fake = FakeSession()
    monkeypatch.setattr(module, "open_session", lambda package, threads, signer: fake)
    return fake


def test_the_text_goes_to_stdout_and_timings_to_stderr(tyllm, session):
    outcome = tyllm("run", "package", "hello")
    assert (outcome.code, outcome.out) == (0, "<5>\n")
    assert outcome.err == "[prompt: 5 tokens, 10.0 tokens/s; text: 3 tokens, 8.0 tokens/s]\n"


def test_json_is_the_whole_of_stdout(tyllm, session):
    report = json.loads(tyllm("run", "package", "hello", "--json").out)
    assert (report["text"], report["finish_reason"]) == ("<5>", "stop")
    assert report["timings"]["prompt_tokens"] == 5


def test_a_prompt_from_stdin(tyllm, session, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hello you"))
    assert tyllm("run", "package").out == "<9>\n"


def test_a_prompt_from_a_file(tyllm, session, tmp_path):
    (tmp_path / "prompt.txt").write_text("naïve", encoding="utf-8")
    assert tyllm("run", "package", "--file", tmp_path / "prompt.txt").out == "<5>\n"


def test_the_chat_template_with_a_system_message(tyllm, session):
    assert tyllm("run", "package", "hi", "--chat", "--system", "be brief").out == f"<{len('[s]be brief[u]hi[a]')}>\n"


def test_sampling_options_reach_the_session(tyllm, session):
    tyllm("run", "package", "x", "--temperature", 0.5, "--top-k", 3, "--top-p", 0.9, "--min-p", 0.1, "--seed", 7,
          "--repetition-penalty", 1.1, "--max-new-tokens", 9, "--stop", "a", "--stop", "b")  # fmt: skip
    assert session.options == [
        {
            "temperature": 0.5,
            "top_k": 3,
            "top_p": 0.9,
            "min_p": 0.1,
            "seed": 7,
            "repetition_penalty": 1.1,
            "max_new_tokens": 9,
            "stop": ("a", "b"),
            "reuse": True,
        }
    ]


def test_a_long_prompt_is_counted_once(tyllm, session):
    outcome = tyllm("run", "package", "x" * 150)
    assert session.prefilled == [150]
    assert outcome.err.startswith("[prompt: 150 tokens, ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["x" * 201], 8, "201 tokens are more than the 200 that the cache holds"),
        (["x", "--temperature", "-1"], 8, "temperature is -1.0"),
        (["x", "--max-new-tokens", "0"], 8, "max_new_tokens is 0"),
        (["x", "--stop", ""], 8, "A text of stop is empty"),
        (["x", "--system", "y"], 2, "add --chat"),
        (["x", "--file", __file__], 2, "there is a prompt as an argument too"),
        (["--file", "no-such-file"], 2, "no-such-file"),
    ],
)
def test_what_cannot_work(tyllm, session, arguments, code, words):
    outcome = tyllm("run", "package", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.err


def test_a_file_that_is_no_text(tyllm, session, tmp_path):
    (tmp_path / "prompt").write_bytes(b"\xff\xfe\xfd")
    outcome = tyllm("run", "package", "--file", tmp_path / "prompt")
    assert outcome.code == 2
    assert "not UTF-8" in outcome.err


def test_a_prompt_that_does_not_end(tyllm, session, monkeypatch):
    outcome = tyllm("run", "package", "--file", "/dev/zero")
    assert (outcome.code, outcome.out) == (2, "")
    assert "the prompt is longer than the 16,777,216 characters that are read" in outcome.err
    with Path("/dev/zero").open(encoding="utf-8") as endless:
        monkeypatch.setattr("sys.stdin", endless)
        assert tyllm("run", "package").code == 2


def test_a_real_session_gives_the_tokens_of_the_reference(tyllm, toy):
    from fake_package import reference_greedy

    report = json.loads(tyllm("run", toy(dies=2), "hello", "--max-new-tokens", 5, "--json").out)
    tokenizer = Session(toy(dies=2)).tokenizer
    assert report["token_ids"] == reference_greedy(tokenizer.encode("hello"), 5)


def test_a_long_prompt_in_pieces_gives_the_tokens_of_the_reference(tyllm, toy):
    from fake_package import reference_greedy

    package = toy(dies=2, max_kv_cache_size=400)
    report = json.loads(tyllm("run", package, "x" * 300, "--max-new-tokens", 3, "--json").out)
    assert report["timings"]["prompt_tokens"] == 300
    assert report["token_ids"] == reference_greedy(Session(package).tokenizer.encode("x" * 300), 3)


def test_no_package(tyllm, tmp_path):
    outcome = tyllm("run", tmp_path / "nothing", "hello")
    assert outcome.code == 6
    assert "is no folder" in outcome.err


@pytest.fixture
def asked(session, monkeypatch):
    """What the session was asked to make prompts of."""
    calls = []
    session.prompt_builder = SimpleNamespace(
        has_placeholders=lambda text: "<image>" in text,
        of=lambda text, *images: calls.append((text, *images)) or Prompt([1]),
        of_chat=lambda messages, **images: calls.append((messages, images)) or Prompt([1]),
    )
    return calls


def test_images_go_before_a_prompt_without_placeholders(tyllm, asked):
    tyllm("run", "package", "what?", "--image", "a", "--image", "b c", "--video", "d", "--fps", 2, "--system", "be")
    parts = [{"type": "image", "image": Path("a")}, {"type": "image", "image": Path("b c")},
             {"type": "video", "video": Path("d"), "fps": 2.0}, {"type": "text", "text": "what?"}]  # fmt: skip
    messages = [{"role": "system", "content": "be"}, {"role": "user", "content": parts}]
    assert asked == [(messages, {"fit": "pad"})]


def test_images_go_where_a_prompt_has_their_placeholders(tyllm, asked):
    given = {"images": (Path("a"),), "videos": [], "fit": "resize"}
    tyllm("run", "package", "<image>?", "--image", "a", "--image-fit", "resize")
    tyllm("run", "package", "<image>?", "--image", "a", "--image-fit", "resize", "--chat")
    assert asked == [("<image>?", *given.values()), ([{"role": "user", "content": "<image>?"}], given)]


def test_what_was_done_with_images_is_told_on_stderr(tyllm, session, asked):
    session.prompt_builder.of = lambda text, *images: noted()
    outcome = tyllm("run", "package", "<image>", "--image", "a")
    assert "\na was padded.\n[" in "\n" + outcome.err
    assert json.loads(tyllm("run", "package", "<image>", "--image", "a", "--json").out)["notes"] == ["a was padded."]


def noted():
    """A prompt of an image that was not yet fed."""
    return Prompt([2], (Insert(0, (1, 4), lambda: None, "digest", "a was padded."),))


def test_images_for_a_text_model(tyllm, toy):
    outcome = tyllm("run", toy(dies=2), "x", "--image", "a.png")
    assert (outcome.code, outcome.out) == (8, "")
    assert "compiled from a text model (ToyForCausalLM) and takes no images" in outcome.err
