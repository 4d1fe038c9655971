"""The package folder under way: written beside its place and renamed at the end, so that it is whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from tyllm_errors import BuildError, OutputError, TyllmError
from tyllm.package.file_names import MANIFEST

PAGE = 4096
CURES = {
    errno.ENOSPC: "the disk is full; free some space and run again",
    errno.EDQUOT: "the disk quota is used up; free some space and run again",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission is denied; choose a folder that you may write",
    errno.EPERM: "permission is denied; choose a folder that you may write",
    errno.EEXIST: "a part of the path is a file; choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
}


@contextmanager
def under_way(folder: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends well, and vanishes when it does not.

    Raises:
        OutputError: `folder` exists (and `overwrite` is not set, or it is no package), or cannot be written.
    """
    refuse_existing(folder, overwrite)
    _remove_abandoned(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        with explained(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            _replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def refuse_existing(folder: Path, overwrite: bool) -> None:
    """Raise `OutputError` unless `folder` may be written."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not overwrite:
        raise OutputError(f"{folder} exists; choose another folder, or allow overwriting (--overwrite).")
    if not (folder / MANIFEST).is_file():
        raise OutputError(
            f"{folder} exists and is no package (it has no {MANIFEST}), so it stays as it is; choose another folder."
        )


def need_space(folder: Path, size: int) -> None:
    """Raise `OutputError` where the disk has not `size` bytes left for what will be written."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < size:
        raise OutputError(
            f"{folder} needs {size / 1e6:,.1f} MB and the disk has {free / 1e6:,.1f} MB left; "
            "free some space or choose another disk."
        )


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn the system's refusals to write into an `OutputError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in CURES:
            raise
        raise OutputError(f"Cannot write {folder}: {CURES[error.errno]}.") from error
    except Exception as error:  # TVM and the linker tell of a full disk in words of their own
        if isinstance(error, TyllmError) and not isinstance(error, BuildError):
            raise
        if os.strerror(errno.ENOSPC) not in str(error) and not _is_full(folder.parent):
            raise
        raise OutputError(f"Cannot write {folder}: {CURES[errno.ENOSPC]}.") from error


def _is_full(folder: Path) -> bool:
    """Whether the disk has not even a page left."""
    return folder.is_dir() and shutil.disk_usage(folder).free < PAGE


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed builds of `folder` left behind; one that still runs keeps its own."""
    for path in folder.parent.glob(f".{escape(folder.name)}.*.partial"):
        process = path.name.split(".")[-2]
        if process == str(os.getpid()) or not Path("/proc", process).exists():
            shutil.rmtree(path, ignore_errors=True)


def _replace(temporary: Path, folder: Path) -> None:
    """Put the finished folder in its place; an old package goes only then."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
