"""Files that appear whole or not at all, and folders that are made.

What is being written lies beside its place, under a name that ends in `.tmp`, which is locked; a run that was killed
leaves it behind, and the next one to write the file takes it over.
(The `.partial` folder of a quantization is another thing: finished work, with which the next run goes on.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tyllm_base.durable import make_folders, sync_file, sync_folder
from tyllm_base.file_lock import FileLock
from tyllm_base.unfinished import unfinished
from tyllm_base.write_errors import explained

TEMPORARY = ".tmp"


@contextmanager
def atomic_file(path: Path, note: str = "", *, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Args:
        path: the file.
        note: what the error says beside the cure where the disk is full.
        durable: wait until it is on the disk; a cache need not.

    Raises:
        OutputError: the system refuses to write.
    """
    with explained(path, note):
        path = Path(os.path.realpath(path))  # a link stays a link
        temporary = path.with_name(path.name + TEMPORARY)
        lock = FileLock.take(temporary, wait=True, needed=False)
        try:
            with unfinished(temporary):
                yield temporary
                if durable:
                    sync_file(temporary)
                temporary.replace(path)
            if durable:
                sync_folder(path.parent)
        finally:
            lock.release()  # removes the file unless it was renamed


def write_json(path: Path, value: object, note: str = "") -> None:
    """Write `value` as indented JSON, atomically; raises `OutputError`."""
    with atomic_file(path, note) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def make_folder(path: Path) -> None:
    """Make `path` and its parents; raises `OutputError`."""
    with explained(path):
        make_folders(path)
