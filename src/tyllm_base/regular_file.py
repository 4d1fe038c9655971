"""Reads small files that a stranger may have made: regular files only, up to a limit, and each refusal as one sentence.

Whatever a name leads to is opened without waiting (a named pipe would wait for ever), looked at, and read through the
same descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from tyllm_base.errors import TyllmError

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
CURES = {
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EIO: "the disk or the network failed: try again, and copy the file from elsewhere if it stays so",
    errno.ESTALE: "the network's file system lost it: try again",
    errno.EMFILE: "this process has too many files open: close some, or raise the limit (ulimit -n)",
    errno.ENFILE: "this machine has too many files open: close some programs",
    errno.ENOMEM: "the memory is full: close some programs",
    errno.ELOOP: "its symbolic links lead in a circle: correct them",
    errno.ENAMETOOLONG: "give a shorter path",
}


def open_regular(path: Path) -> int:
    """A descriptor to read a regular file with; raises `OSError`, and of `EINVAL` for anything that is not one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"it is {KINDS.get(stat.S_IFMT(mode), 'no regular file')}, not a file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular_file(path: Path, error: type[TyllmError], cure: str, max_bytes: int) -> bytes:
    """The content of a file.

    Args:
        path: the file; symbolic links are followed.
        error: the class of what is raised.
        cure: what to do where the file is missing, no regular one or too long, such as "download it again".
        max_bytes: the most that is read.

    Raises:
        error: it is missing, longer, no regular file, or cannot be read.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as refusal:  # ValueError: a zero byte in the path
        raise error(read_refusal(path, refusal, cure)) from refusal
    if len(content) > max_bytes:
        raise error(f"{path} is longer than the {max_bytes:,} bytes that such a file may have; {cure}.")
    return content


def read_refusal(path: Path, refusal: OSError | ValueError, cure: str) -> str:
    """The sentence that says why `path` cannot be read; `cure` is for a file that is missing or no file."""
    code = refusal.errno if isinstance(refusal, OSError) else None
    if code in (errno.ENOENT, errno.ENOTDIR):
        return f"{path} is missing; {cure}."
    reason = getattr(refusal, "strerror", None) or refusal
    return f"{path} cannot be read ({reason}); {CURES.get(code or 0, cure)}."


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
