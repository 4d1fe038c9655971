"""Standard streams as the command finds them: closed, full, or left by their reader, none of it ends in a traceback.

A result that cannot be written is an `OutputError`. What cannot be said on stderr is left unsaid.
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from tyllm_base.errors import TyllmError
from tyllm_base.system_errors import write_refusal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@contextmanager
def standard_streams() -> Iterator[None]:
    """While the block runs, `sys.stdin`, `sys.stdout` and `sys.stderr` are there and fail as this module says.

    Streams that others have put in their places (tests do) are left alone.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    _open_closed()
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (it stays open)
    sys.stdout = _guarded(sys.stdout, 1, _Result, "backslashreplace")  # a terminal without Unicode is no failure
    sys.stderr = _guarded(sys.stderr, 2, _Messages, "backslashreplace")
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except (TyllmError, OSError, ValueError):  # it was told, or the command has failed before
            discard_stdout()
            with suppress(Exception):
                sys.stdout.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def discard_stdout() -> None:
    """Let what is still to be written to stdout go nowhere, for nobody can have it."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _open_closed() -> None:
    """Take the numbers of closed streams, lest the next file that is opened gets one and the output with it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def _guarded(stream: TextIO | None, number: int, raw: type[io.FileIO], errors: str) -> TextIO:
    """A stream in the place of `stream`, where that is the process's own."""
    try:
        is_own = stream is None or stream.fileno() == number
    except (OSError, ValueError, AttributeError):
        is_own = False
    if stream is not None and not is_own:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)
        return stream
    encoding = getattr(stream, "encoding", None) or "utf-8"
    buffer = io.BufferedWriter(raw(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding, errors, line_buffering=number == 2 or os.isatty(number))


class _Result(io.FileIO):
    """Standard output: the system's refusals are `OutputError`s; that a reader left is told as Python tells it."""

    def write(self, data: ReadableBuffer, /) -> int:
        while True:
            try:
                count = super().write(data)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise write_refusal("the standard output", error.errno) from error
            if count is not None:  # None: another program has made the terminal non-blocking, and it is full
                return count
            select.select([], [self], [])


class _Messages(io.FileIO):
    """Standard error: what it does not take is lost."""

    def write(self, data: ReadableBuffer, /) -> int:
        with suppress(OSError):
            super().write(data)
        return memoryview(data).nbytes
