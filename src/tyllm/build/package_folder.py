"""The package folder under way: written beside its place and renamed at the end, so that it is whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tyllm.package.file_names import MANIFEST
from tyllm_base.atomic_files import atomic_folder, refuse_existing
from tyllm_base.errors import BuildError, OutputError, TyllmError
from tyllm_base.system_errors import REFUSALS, write_refusal

PAGE = 4096


@contextmanager
def atomic_package(folder: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends well, and vanishes when it does not.

    Raises:
        OutputError: `folder` exists (and `overwrite` is not set, or it is no package), or cannot be written.
    """
    refuse_existing_package(folder, overwrite)
    with build_explained(folder), atomic_folder(folder, replace=True) as temporary:
        yield temporary


def refuse_existing_package(folder: Path, overwrite: bool) -> None:
    """Raise `OutputError` unless `folder` may be written."""
    if overwrite and (folder / MANIFEST).is_file():
        return
    foreign = f"exists and is no package (it has no {MANIFEST}), so it stays as it is; choose another folder"
    sentence = foreign if overwrite else "exists; choose another folder, or allow overwriting (--overwrite)"
    refuse_existing(folder, sentence, unless_empty=True)


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
def build_explained(folder: Path) -> Iterator[None]:
    """Turn refusals to write, by the system or by TVM and the linker, into an `OutputError`; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise write_refusal(folder, error.errno) from error
    except Exception as error:  # TVM and the linker tell of a full disk in words of their own
        if isinstance(error, TyllmError) and not isinstance(error, BuildError):
            raise
        if os.strerror(errno.ENOSPC) not in str(error) and not _is_full(folder.parent):
            raise
        raise write_refusal(folder, errno.ENOSPC) from error


def _is_full(folder: Path) -> bool:
    """Whether the disk has not even a page left."""
    return folder.is_dir() and shutil.disk_usage(folder).free < PAGE
