"""Files and folders under way: a process that has to end at once removes them, as their own blocks do in peace."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ATTEMPTS = 3  # another thread may still write into a folder while it is removed
_paths: list[Path] = []


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """What lies at `path` while the block runs is under way: `remove_unfinished` removes it; the block does not."""
    _paths.append(path)
    try:
        yield path
    finally:
        _paths.remove(path)


def remove_unfinished() -> None:
    """Remove all that is under way; what cannot be removed stays."""
    for _ in range(ATTEMPTS):
        for path in _paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


@contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """A folder that goes with the block, or with the process.

    Args:
        place: the folder in which it is made; the system's for temporary files when None.

    Raises:
        OSError: the system refuses.
    """
    folder = Path(tempfile.mkdtemp(prefix="tyllm-", dir=place)).absolute()
    try:
        with unfinished(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def forget_unfinished() -> None:
    """Leave what the parent has under way to the parent; to be called in a child after a fork."""
    _paths.clear()
