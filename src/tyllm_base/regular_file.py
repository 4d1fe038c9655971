"""Reads small files that a stranger may have made: regular files only, up to a limit, and each refusal as one sentence.

Whatever a name leads to is looked at before it is opened (opening some devices does something), opened without waiting
(a named pipe would wait for ever), and looked at again through the descriptor that is read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tyllm_base.errors import TyllmError
from tyllm_base.system_errors import read_refusal

FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path, error: type[TyllmError], cure: str) -> int:
    """A descriptor to read a file with; symbolic links are followed.

    Args:
        path: the file.
        error: the class of what is raised.
        cure: what to do where the file is missing or no regular one, such as "download it again".

    Raises:
        error: it is missing, no regular file, or cannot be opened.
    """
    try:
        _check_kind(path.stat().st_mode, path, error, cure)
        descriptor = os.open(path, FLAGS)
    except FileNotFoundError:
        raise error(f"{path} is missing; {cure}.") from None
    except OSError as refusal:
        raise read_refusal(path, refusal, error, cure) from refusal
    except ValueError as refusal:  # a zero byte, or half of a surrogate pair
        raise error(f"{str(path)!r:.80} is no path of a file ({refusal}); {cure}.") from refusal
    try:
        _check_kind(os.fstat(descriptor).st_mode, path, error, cure)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular_file(path: Path, error: type[TyllmError], cure: str, max_bytes: int) -> bytes:
    """The content of a file, of at most `max_bytes`; arguments and errors as of `open_regular`."""
    with os.fdopen(open_regular(path, error, cure), "rb") as file:
        try:
            content = file.read(max_bytes + 1)
        except OSError as refusal:
            raise read_refusal(path, refusal, error, cure) from refusal
    if len(content) > max_bytes:
        raise error(f"{path} is longer than the {max_bytes:,} bytes that such a file may have; {cure}.")
    return content


def _check_kind(mode: int, path: Path, error: type[TyllmError], cure: str) -> None:
    if not stat.S_ISREG(mode):
        raise error(f"{path} is {KINDS.get(stat.S_IFMT(mode), 'no regular file')} and not a file; {cure}.")


def decoded(content: bytes, path: Path | str, error: type[TyllmError], *, skip_bom: bool = True) -> str:
    """UTF-8 as text.

    Args:
        content: the bytes.
        path: where they are from, for the message.
        error: the class of what is raised.
        skip_bom: leave out a byte order mark at the beginning, which editors of Windows write.

    Raises:
        error: they are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig" if skip_bom else "utf-8")
    except UnicodeDecodeError as refusal:
        raise error(
            f"{path} is not UTF-8 text ({refusal.reason} at byte {refusal.start:,}); convert it to UTF-8."
        ) from refusal
