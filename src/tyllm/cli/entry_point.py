"""Run the command line, and turn every way it can end into an exit code and at most one line on stderr."""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence

from tyllm.cli.signals import exit_code, signals_end
from tyllm.cli.standard_streams import discard_stdout, standard_streams
from tyllm_base.doors import explained
from tyllm_base.errors import InternalError, TyllmError
from tyllm_base.panics import is_failure
from tyllm_base.printable import json_text, one_line, printable

INTERRUPTED = exit_code(2)  # SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tyllm` and return its exit code.

    Args:
        arguments: what follows the program's name; `sys.argv[1:]`, and the process ends with the command, when None.

    Returns:
        0, or the `exit_code` of the exception that ended the command (`tyllm --help` lists the codes).
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    own_format, warnings.formatwarning = warnings.formatwarning, _warning
    try:
        with standard_streams(), signals_end(is_process=arguments is None):
            return _ended(given)
    except KeyboardInterrupt:  # it came while the command was ending
        return INTERRUPTED
    except SystemExit as error:
        return _code(error)
    finally:
        warnings.formatwarning = own_format


def _ended(given: list[str]) -> int:
    """The exit code of a command."""
    try:
        code = _run(given)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as error:  # of a signal; typer and rich make one of a reader that left
        return _reader_left() if isinstance(error.__context__, BrokenPipeError) else _code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException as error:
        if not is_failure(error):
            raise
        return _failed(error, given)


def _code(error: SystemExit) -> int:
    return error.code if isinstance(error.code, int) else 1


def _warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning for a user in one line; those of libraries, which are for programmers, as Python has them."""
    return f"tyllm: {one_line(str(message))}\n" if category is UserWarning else f"{category.__name__}: {message}\n"


def _run(given: list[str]) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would make threads that nothing here uses: 30 ms
    from tyllm.cli.app import app

    result = app(args=given, prog_name="tyllm", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _reader_left() -> int:
    """End quietly when the reader of stdout went away (`tyllm … | head`)."""
    discard_stdout()
    return 0


def _failed(error: BaseException, given: list[str]) -> int:
    """Report `error` on stderr, as JSON on stdout when that was asked for, and return its exit code."""
    if type(error).__name__ == "Abort":  # typer's word for an interrupt in a prompt
        return INTERRUPTED
    if not isinstance(getattr(error, "exit_code", None), int):  # neither ours nor typer's
        cause, error = error, explained(error, TyllmError)
        error.__cause__ = cause
    code, sentence = int(error.exit_code), one_line(_sentence(error))  # type: ignore[attr-defined]
    flags = given[: given.index("--")] if "--" in given else given
    if "--debug" in flags or (isinstance(error, InternalError) and error.log is None):
        print(printable("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    print(f"tyllm: {sentence}", file=sys.stderr)
    try:
        if "--json" in flags:
            print(json_text({"error": sentence, "exit_code": code}), flush=True)
    except (TyllmError, BrokenPipeError):  # stdout may be what failed
        discard_stdout()
    return code


def _sentence(error: BaseException) -> str:
    """The error's own words; a wrong command line also says where the right one is described."""
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return str(error)
    context = getattr(error, "ctx", None)
    cure = f" Try `{context.command_path} --help`." if context is not None else ""
    return f"{format_message()}{cure}"
