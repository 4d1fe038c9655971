"""Files that appear whole or not at all, and the system's refusals to write them as one sentence."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tyllm_errors import OutputError

CURES = {
    errno.ENOSPC: "the disk is full; free some space and run again, finished layers are kept",
    errno.EDQUOT: "the disk quota is used up; free some space and run again, finished layers are kept",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission is denied; choose a folder that you may write",
    errno.EPERM: "permission is denied; choose a folder that you may write",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` raised inside into an `OutputError` that names `path`, the reason and the cure."""
    try:
        yield
    except OSError as error:
        cure = CURES.get(error.errno or 0, f"{error.strerror}; choose another folder")
        raise OutputError(f"Cannot write {path}: {cure}.") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises:
        OutputError: the system refuses to write.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with explained(path):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; raises `OutputError`."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make `path` and its parents; raises `OutputError`."""
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
