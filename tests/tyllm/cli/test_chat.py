"""`tyllm chat`: commands, history, an answer cut short, and a turn that cannot be answered."""

import functools
import io
import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from tyllm.cli import chat as module
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_base.errors import ImageError

from .fake_session import FakeSession

FIRST = "[u]hello[a]"


@pytest.fixture
def session(monkeypatch):
    fake = FakeSession()
    monkeypatch.setattr(module, "open_session", lambda package, threads, signer: fake)
    return fake


@pytest.fixture
def say(tyllm, monkeypatch):
    """Talk line by line; what came back."""

    def call(*lines, arguments=(), package="package"):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return tyllm("chat", package, *arguments)

    return call


def test_an_answer_comes_on_stdout_and_the_rest_on_stderr(session, say):
    outcome = say("hello")
    assert (outcome.code, outcome.out) == (0, f"<{len(FIRST)}>\n")
    assert "2 dies" in outcome.err
    assert "tokens/s" in outcome.err


def test_the_history_is_kept_and_only_what_is_new_is_fed(session, say):
    second = f"{FIRST}<11>[u]more[a]"
    outcome = say("hello", "more")
    assert outcome.out == f"<11>\n<{len(second)}>\n"
    assert f"({len(FIRST) + 4} more were in the cache)" in outcome.err


def test_reset_forgets(session, say):
    assert say("hello", "/reset", "hello").out == "<11>\n<11>\n"


def test_system_sets_the_message_and_forgets(session, say):
    outcome = say("hello", "/system be brief", "hello", "/system", "hello")
    assert outcome.out == f"<11>\n<{len('[s]be brief' + FIRST)}>\n<11>\n"


def test_exit_ends_and_an_unknown_command_is_told(session, say):
    outcome = say("/what", "/exit", "hello")
    assert outcome.out == ""
    assert "There is no command /what" in outcome.err


def test_a_system_message_on_the_command_line(session, say):
    assert say("hello", arguments=["--system", "be"]).out == f"<{len('[s]be' + FIRST)}>\n"


def test_an_interrupt_ends_the_answer_not_the_chat(session, say):
    session.interrupt = True
    outcome = say("hello", "more")
    assert outcome.out == f"<\n<{len(FIRST + '<' + '[u]more[a]')}>\n"


def test_too_long_a_message_is_told_and_forgotten(session, say):
    outcome = say("hello", "x" * 300, "more")
    assert "Or say /reset." in outcome.err
    assert outcome.out.splitlines()[-1] == f"<{len(FIRST + '<11>' + '[u]more[a]')}>"


def test_a_real_session_keeps_its_history(say, toy, tyllm, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hi\nso\n/reset\nhi\n"))
    outcome = tyllm("chat", toy(dies=2, max_kv_cache_size=200), "--max-new-tokens", 3, "--json")
    first, second, again = map(json.loads, outcome.out.splitlines())
    assert first["timings"]["cached_tokens"] == 0 < second["timings"]["cached_tokens"]
    assert first["token_ids"] == again["token_ids"]


def test_json_lines(session, say):
    lines = say("hello", "x" * 300, "/reset", "hello", arguments=["--json"]).out.splitlines()
    first, refused, third = map(json.loads, lines)
    assert first["text"] == third["text"] == "<11>"
    assert refused["exit_code"] == 8


def test_an_interrupt_at_the_prompt_exits_with_130(toy):
    command = [sys.executable, "-m", "tyllm", "chat", str(toy(dies=2))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell's background jobs ignore interrupts, and what they start inherits that.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, text=True, preexec_fn=heed, **pipes) as process:
        assert "/reset" in process.stderr.readline()  # the chat waits for a message
        time.sleep(0.5)  # it may be on its way out of the flush that brought the line, and print it again
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def test_images_for_a_text_model_are_told_and_the_chat_goes_on(say, toy):
    outcome = say("/image a.png", "/help", "hi", arguments=["--max-new-tokens", "2"], package=toy(dies=2))
    assert outcome.code == 0 and outcome.out
    assert "compiled from a text model (ToyForCausalLM) and takes no images" in outcome.err
    assert "/video" not in outcome.err


def test_images_go_before_the_text_of_the_next_message(session, say, monkeypatch):
    heard = []
    session.prompt_builder.of_chat = lambda messages: heard.append(messages) or Prompt([1])
    session.info.visual = True
    fitted = SimpleNamespace(tokens=4, message="a.png was padded.")
    session.vision_tower = SimpleNamespace(image=lambda path, fit: fitted, video=lambda video, fit: fitted)
    outcome = say("/image a.png", "/video b", "what?", "/image a.png", "/reset", "hi")
    parts = [{"type": "image", "image": fitted}, {"type": "video", "video": fitted}, {"type": "text", "text": "what?"}]
    assert heard == [[{"role": "user", "content": parts}], [{"role": "user", "content": "hi"}]]
    assert "/image PATH and /video PATH go with the next message" in outcome.err
    assert "a.png goes with the next message (4 tokens).\na.png was padded.\n" in outcome.err


def test_an_image_that_is_not_there_is_told_as_json(session, say):
    def refuse(path, fit):
        raise ImageError("There is no image x.")

    session.vision_tower = SimpleNamespace(image=refuse)
    told, answer = say("/image x", "hello", arguments=["--json"]).out.splitlines()
    assert json.loads(told) == {"error": "There is no image x.", "exit_code": 8}
    assert json.loads(answer)["text"] == "<11>"


def test_bytes_that_are_no_text_are_refused_line_by_line(toy, tyllm, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\nhi\n"), encoding="utf-8"))
    outcome = tyllm("chat", toy(max_kv_cache_size=200), "--json", "--max-new-tokens", 2)
    first, second = map(json.loads, outcome.out.splitlines())
    assert outcome.code == 0 and first["exit_code"] == 8 and "error" not in second
