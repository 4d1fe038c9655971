"""Run the command line, and turn every way it can end into an exit code and at most one line on stderr."""

import io
import json
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BUG = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tyllm` and return its exit code.

    Args:
        arguments: what follows the program's name; `sys.argv[1:]` when None.

    Returns:
        0, or the `exit_code` of the exception that ended the command (`tyllm --help` lists the codes).
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Unicode is no reason to fail
    own_format, warnings.formatwarning = warnings.formatwarning, _warning
    try:
        code = _run(given)
        sys.stdout.flush()
        return code
    except (BrokenPipeError, SystemExit) as error:
        return _reader_left(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return _failed(error, given)
    finally:
        warnings.formatwarning = own_format


def _warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning for a user in one line; those of libraries, which are for programmers, as Python has them."""
    return f"tyllm: {message}\n" if category is UserWarning else f"{category.__name__}: {message}\n"


def _run(given: list[str]) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would make threads that nothing here uses: 30 ms
    from tyllm.cli.app import app

    result = app(args=given, prog_name="tyllm", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _reader_left(error: BaseException) -> int:
    """End quietly when the reader of stdout went away (`tyllm … | head`); typer and rich make a SystemExit of that."""
    if not isinstance(error if isinstance(error, OSError) else error.__context__, BrokenPipeError):
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _failed(error: Exception, given: list[str]) -> int:
    """Report `error` on stderr, as JSON on stdout when that was asked for, and return its exit code."""
    if type(error).__name__ == "Abort":  # typer's word for an interrupt in a prompt
        return INTERRUPTED
    code = getattr(error, "exit_code", None)
    sentence = _sentence(error) if isinstance(code, int) else f"{type(error).__name__}: {error}"
    code = code if isinstance(code, int) else BUG
    flags = given[: given.index("--")] if "--" in given else given
    if "--debug" in flags:
        traceback.print_exception(error)
    hint = "" if code != BUG or "--debug" in flags else " (run with --debug for the traceback)"
    print(f"tyllm: {sentence}{hint}", file=sys.stderr)
    if "--json" in flags:
        print(json.dumps({"error": sentence, "exit_code": code}, ensure_ascii=False), flush=True)
    return code


def _sentence(error: Exception) -> str:
    """The error's own words; a wrong command line also says where the right one is described."""
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return str(error)
    context = getattr(error, "ctx", None)
    cure = f" Try `{context.command_path} --help`." if context is not None else ""
    return f"{format_message()}{cure}"
