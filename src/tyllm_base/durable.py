"""Renames that replace nothing or swap two folders, and the calls that put files on the disk before them."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

NOREPLACE, EXCHANGE = 1, 2  # renameat2(2)
AT_FDCWD = -100
NUMBERS = {"x86_64": 316, "aarch64": 276, "riscv64": 276}  # of renameat2, where the C library has no name for it
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)  # by the kernel, its guard or the file system
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


@cache
def _renameat2() -> Callable[..., int] | None:
    """The system call, None where it cannot be reached."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        call: Callable[..., int] = library.renameat2
        return call
    number = NUMBERS.get(platform.machine())
    return None if number is None else lambda *arguments: int(library.syscall(number, *arguments))


def rename_by_flag(source: Path, target: Path, flag: int) -> bool:
    """Rename as renameat2(2) does with a flag; False where that is not supported. Raises `OSError`."""
    call = _renameat2()
    if call is None:
        return False
    if call(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), ctypes.c_uint(flag)) == 0:
        return True
    code = ctypes.get_errno()
    if code in UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


def rename_new(source: Path, target: Path) -> None:
    """Rename a folder to a name that is free; without the system's help an empty folder of that name goes.

    Raises:
        OSError: there is something of that name.
    """
    if not rename_by_flag(source, target, NOREPLACE):
        source.rename(target)


def exchange(one: Path, other: Path) -> bool:
    """Let two folders take each other's place in one step; False where the system cannot. Raises `OSError`."""
    return rename_by_flag(one, other, EXCHANGE)


def make_folders(path: Path) -> list[Path]:
    """Make a folder and those above it, one by one: a path may have 2,000 parts, too many for a recursive call.

    Returns:
        Those that were not there, the innermost first.

    Raises:
        OSError: the system refuses, or a part of the path is a file.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
    return missing


def sync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk; raises `OSError`."""
    _sync(path, os.O_RDONLY | os.O_NOFOLLOW)


def sync_folder(path: Path) -> None:
    """Wait until a folder's names are on the disk, where the file system knows of that; raises `OSError`."""
    try:
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until a folder with all that is in it is on the disk; raises `OSError`."""
    for parent, _, names in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in names):
            if not path.is_symlink():
                sync_file(path)
        sync_folder(Path(parent))


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours, with read-only ones in it; what cannot go stays."""
    if folder.is_symlink():
        return
    shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir():
        _allow(folder)
        for parent, names, _ in os.walk(folder):
            for name in names:
                _allow(Path(parent, name))
        shutil.rmtree(folder, ignore_errors=True)


def _allow(folder: Path) -> None:
    """Let ourselves into a folder."""
    with suppress(OSError):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)
