"""A door lets pass what is meant for the caller, and turns all else into an internal error."""

import asyncio
import errno

import pytest

from tyllm_base import doors
from tyllm_base.doors import Door, callers
from tyllm_base.errors import CheckpointError, InternalError, OutputError, PackageError, TyllmError


class PanicException(BaseException):
    """What pyo3 makes of a bug in Rust, by its name."""


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(doors, "write_error_log", lambda error: tmp_path / "log")
    return tmp_path / "log"


def through(error, refused=TyllmError):
    """What comes out of a door when `error` is raised behind it."""

    @Door(refused)
    def function():
        """Fail."""
        raise error

    assert function.__doc__ == "Fail."
    with pytest.raises(BaseException) as caught:
        function()
    return caught.value


@pytest.mark.parametrize(
    "error", [KeyError("x"), RecursionError(), MemoryError(), PanicException("x"), StopIteration(), OSError("odd")]
)
def test_what_nobody_foresaw(error, log):
    found = through(error)
    assert type(found) is InternalError and found.__cause__ is error and found.log == log
    assert str(log) in str(found) and type(error).__name__ in str(found)


@pytest.mark.parametrize(
    "error",
    [
        PackageError("x"),
        InternalError("x"),
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
        asyncio.CancelledError(),
        UserWarning("x"),
    ],
)
def test_what_passes(error):
    assert through(error) is error


def test_a_wrong_call_is_the_callers():
    @Door()
    def function(known):
        return int(known)

    with pytest.raises(TypeError, match="unknown"):
        function(unknown=1)
    with pytest.raises(InternalError):
        function([])


def test_what_the_callers_function_raises_passes():
    error = TypeError("theirs")

    def progress(done, total):
        raise error

    with pytest.raises(TypeError) as caught, Door():
        callers(progress)(1, total=2)
    assert caught.value is error
    assert callers(lambda x: x + 1)(1) == 2


def test_refusals_of_the_system_are_told_as_such():
    found = through(OSError(errno.EMFILE, "x", "/a/b"), CheckpointError)
    assert type(found) is CheckpointError and "/a/b" in str(found) and "ulimit -n" in str(found)
    found = through(OSError(errno.ENOSPC, "x"))
    assert type(found) is OutputError and "a file" in str(found)


def test_a_long_message_is_cut():
    assert len(str(through(ValueError("x" * 10_000)))) < 600
