"""Doors: the public functions, where what nobody foresaw becomes an `InternalError` with its log.

Nothing else in the project catches everything. What the caller's own functions raise goes through unchanged, and so do
the ends that are no failures: Ctrl-C, `SystemExit`, a generator's close, the cancellation of a task.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator, suppress
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from tyllm_base.error_log import write_error_log
from tyllm_base.errors import InternalError, TyllmError
from tyllm_base.panics import is_failure
from tyllm_base.system_errors import FULL, REFUSALS, read_refusal, write_refusal

P = ParamSpec("P")
R = TypeVar("R")
CALLERS = "_tyllm_is_the_callers"
LONGEST = 300  # characters of a foreign message in the sentence


class Door(ContextDecorator):
    """A block, or as `@Door()` a function, that ends with a `TyllmError` where it fails."""

    def __init__(self, refused: type[TyllmError] = TyllmError) -> None:
        """Make a door.

        Args:
            refused: the error for a file that the system refuses and that no other place has told of.
        """
        self.refused = refused

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and not passes(error) and not _is_wrong_call(error, at):
            raise explained(error, self.refused) from error


def passes(error: BaseException) -> bool:
    """Whether an exception goes through doors unchanged."""
    if isinstance(error, TyllmError | Warning) or getattr(error, CALLERS, False):
        return True
    return not is_failure(error)


def _is_wrong_call(error: BaseException, at: TracebackType | None) -> bool:
    """Whether the function itself was called with arguments that it does not have: it was not entered."""
    return isinstance(error, TypeError) and at is not None and at.tb_next is None


def callers(function: Callable[P, R]) -> Callable[P, R]:
    """A function that the caller gave, such as a progress callable: what it raises goes through all doors unchanged."""

    @wraps(function)
    def marked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            with suppress(AttributeError, TypeError):
                setattr(error, CALLERS, True)
            raise

    return marked


def explained(error: BaseException, refused: type[TyllmError]) -> TyllmError:
    """The error that a user sees for one that nobody foresaw; the system's refusals are told as such."""
    if isinstance(error, OSError) and error.errno in REFUSALS:
        if error.errno in FULL:
            return write_refusal(error.filename or "a file", error.errno)
        return read_refusal(error.filename or "a file", error, refused)
    log = write_error_log(error)
    where = f"the log {log}" if log else "the traceback"
    return InternalError(f"{_said(error)}. This is a fault of TyLLM and not yours; please report it with {where}.", log)


def _said(error: BaseException) -> str:
    """What kind of error, and its own words in one line."""
    if isinstance(error, MemoryError):
        return "There was not as much memory as something asked for (MemoryError)"
    with suppress(Exception):
        words = " ".join(str(error).split())
        return f"{type(error).__name__}: {words[:LONGEST]}".rstrip(": .")
    return type(error).__name__
