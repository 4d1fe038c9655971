"""The log of an internal error says what is needed to find it, and nothing private."""

import sys
import tempfile

import pytest

from tyllm_base import error_log
from tyllm_base.error_log import command_words, write_error_log


def failure():
    try:
        raise ValueError("x") from KeyError("y")
    except ValueError as error:
        return error


def test_what_is_in_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = write_error_log(failure()).read_text()
    for words in ("Traceback", "ValueError: x", "KeyError: 'y'", "numpy ", "Python 3", "in failure"):
        assert words in text
    assert (tmp_path / "tyllm" / "errors").is_dir()


@pytest.mark.parametrize("cache", ["/dev/null", "relative"])
def test_without_a_cache_it_is_a_temporary_file(monkeypatch, tmp_path, cache):
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert write_error_log(failure()).parent == tmp_path


def test_without_any_place_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert write_error_log(failure()) is None


def test_old_logs_go(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(error_log, "MOST_KEPT", 3)
    logs = [write_error_log(failure()) for _ in range(5)]
    assert logs[-1].parent == tmp_path / "tyllm" / "errors"
    assert len(list(logs[-1].parent.iterdir())) == 3


def test_values_are_left_out(monkeypatch):
    words = ["/opt/bin/tyllm", "run", "/home/me/package", "my secret", "--seed", "3", "--stop=x", "-n9", "--", "--mine"]
    monkeypatch.setattr(sys, "argv", words)
    assert command_words() == "tyllm run … … --seed … --stop -n … …"
