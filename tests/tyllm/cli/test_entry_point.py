"""Every way a command can end has its exit code, at most one line on stderr, and JSON on stdout when asked for."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer

from tyllm.cli import app as application
from tyllm.cli import entry_point
from tyllm_base.errors import InternalError


class DamagedError(Exception):
    """A mistake with an exit code."""

    exit_code = 6


def raising(error: BaseException):
    def fake(**_: object) -> None:
        raise error

    return fake


@pytest.fixture
def failing(monkeypatch):
    """Make every command raise the given error."""
    return lambda error: monkeypatch.setattr(application, "app", raising(error))


def test_a_users_mistake_is_one_sentence_with_its_exit_code(tyllm, failing):
    failing(DamagedError("config.json is damaged: compile again."))
    outcome = tyllm("models")
    assert (outcome.code, outcome.out) == (6, "")
    assert outcome.err == "tyllm: config.json is damaged: compile again.\n"


def test_json_puts_the_mistake_on_stdout(tyllm, failing):
    failing(DamagedError("config.json is damaged."))
    outcome = tyllm("models", "--json")
    assert outcome.code == 6
    assert json.loads(outcome.out) == {"error": "config.json is damaged.", "exit_code": 6}


def test_a_flag_after_two_dashes_is_no_flag(tyllm, failing):
    failing(DamagedError("no."))
    assert tyllm("run", "package", "--", "--json").out == ""


class PanicException(BaseException):
    """What pyo3 makes of a bug in Rust, by its name."""


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("division by\nzero"), RecursionError(), MemoryError(), PanicException("no entry")]
)
def test_a_bug_is_one_line_with_its_log_and_debug_shows_the_traceback(tyllm, failing, error):
    failing(error)
    outcome = tyllm("models")
    assert outcome.code == InternalError.exit_code == 70
    assert outcome.err.startswith("tyllm: ") and outcome.err.count("\n") == 1
    assert type(error).__name__ in outcome.err and "is a fault of TyLLM and not yours" in outcome.err
    log = Path(outcome.err.split("the log ")[1].rstrip(".\n"))
    assert "Traceback" in log.read_text()
    assert "Traceback" in tyllm("models", "--debug").err


def test_without_a_place_for_the_log_the_traceback_is_on_stderr(tyllm, failing, monkeypatch):
    monkeypatch.setattr("tyllm_base.doors.write_error_log", lambda error: None)
    failing(ZeroDivisionError("division by zero"))
    assert "Traceback" in tyllm("models").err


def test_control_characters_of_files_are_told_as_escapes(tyllm, failing):
    failing(DamagedError("a\x1b[2Jb\n\x9bc\u202ed is damaged."))
    outcome = tyllm("models", "--json")
    assert outcome.err == "tyllm: a\\x1b[2Jb\\n\\x9bc\\u202ed is damaged.\n"
    assert outcome.out.isascii() and json.loads(outcome.out)["exit_code"] == 6


def test_an_interrupt_exits_with_130_and_says_nothing(tyllm, failing):
    for error in (KeyboardInterrupt(), typer.Abort()):
        failing(error)
        outcome = tyllm("models")
        assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'. Try `tyllm --help`."),
        (["models", "--nonsense"], "No such option: --nonsense Try `tyllm models --help`."),
        (["inspect"], "Missing argument 'PACKAGE'. Try `tyllm inspect --help`."),
        (["compile", "x", "--dies", "two"], "Invalid value for '--dies'"),
        (["compile", "x", "--seq-lens", "1;8"], "'1;8' is not a list of whole numbers such as 1,8"),
    ],
)
def test_a_wrong_command_line_exits_with_2(tyllm, arguments, words):
    outcome = tyllm(*arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_help_has_the_exit_codes_and_every_command_an_example(tyllm):
    overview = tyllm("--help")
    assert "Talk with a package" in overview.out
    assert overview.code == 0
    assert "Exit codes" in overview.out
    for command in ("quantize", "compile", "run", "chat", "inspect", "verify", "doctor", "models"):
        assert command in overview.out
        outcome = tyllm(command, "--help")
        assert outcome.code == 0
        assert f"Example: tyllm {command}" in " ".join(outcome.out.split())
        assert "--json" in outcome.out


def test_version(tyllm):
    from tyllm import __version__

    assert tyllm("--version").out == f"tyllm {__version__}\n"


def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [sys.executable, "-m", "tyllm", "models"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_terminal_without_unicode_gets_escapes(toy):
    command = [sys.executable, "-m", "tyllm", "run", str(toy()), "hello", "--max-new-tokens", "8"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"\\u" in done.stdout


def test_the_sentence_of_a_plain_error():
    assert entry_point._sentence(ValueError("no")) == "no"


def test_a_warning_is_one_line(tyllm, monkeypatch):
    said = []

    def fake(**_: object) -> None:
        said.append(warnings.formatwarning("stored as float16.", UserWarning, "file.py", 3))
        said.append(warnings.formatwarning("old", DeprecationWarning, "file.py", 3))

    monkeypatch.setattr(application, "app", fake)
    before = warnings.formatwarning
    assert tyllm("models").code == 0
    assert said == ["tyllm: stored as float16.\n", "DeprecationWarning: old\n"]
    assert warnings.formatwarning is before
