"""Which of the system's refusals were met in writing, so that they become our sentence; others pass."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tyllm_base.system_errors import FULL, write_refusal

ALWAYS = (*FULL, errno.EROFS, errno.EFBIG)  # said of writing only, whichever file they name
OF_OUR_OWN = (errno.ENOENT, errno.ECHILD, errno.EBADF)  # a mistake of ours where no file is named
IN_WORDS = (*ALWAYS, errno.EIO, errno.EMFILE, errno.ENFILE)  # told by programs that we run, in the system's words
TEMPORARIES = ("tmp", "tyllm-", "awq-")  # names of ours in the folder for temporary files
OVER_THE_LIMIT = ("File size limit exceeded", "SIGXFSZ", "status -25", "status 153")


@contextmanager
def explained(path: Path, note: str = "") -> Iterator[None]:
    """Turn an `OSError` raised inside, if it speaks of `path`, into an `OutputError`: the path, the reason, the cure.

    One that names another file passes: it was not met in writing `path`.
    """
    try:
        yield
    except OSError as error:
        if not is_about(error, path):
            raise
        raise write_refusal(path, error.errno, note) from error


def is_about(error: OSError, path: Path) -> bool:
    """Whether a refusal is one to write `path`: it names it, what lies in it, beside it under its name, or above it."""
    named = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if error.errno in ALWAYS or not named:
        return bool(named) or error.errno not in OF_OUR_OWN
    try:
        absolute = path.absolute()
    except FileNotFoundError:  # where this process stands is gone
        return True
    return any(_belongs(name.absolute(), absolute) for name in named) or any(
        _belongs(Path(os.path.realpath(name)), Path(os.path.realpath(path))) for name in named
    )


def _belongs(name: Path, path: Path) -> bool:
    """Whether a file is `path`, above it, in it, beside it under its name, or one of our temporary ones."""
    if name in path.parents:
        return True
    if tempfile.tempdir and name.is_relative_to(tempfile.tempdir):
        temporary = name.relative_to(tempfile.tempdir).parts[:1]
        if temporary and temporary[0].startswith(TEMPORARIES):
            return True
    depth = len(path.parent.parts)
    beside = name.parts[depth] if name.is_relative_to(path.parent) and len(name.parts) > depth else ""
    return beside == path.name or beside.startswith((f"{path.name}.", f".{path.name}."))


def code_in(words: str) -> int | None:
    """The `errno` that a program's message tells in words, if it is one of writing."""
    if any(sign in words for sign in OVER_THE_LIMIT):
        return errno.EFBIG
    return next((code for code in IN_WORDS if os.strerror(code) in words), None)
