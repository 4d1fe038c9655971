"""Files and folders that appear whole or not at all, and the system's refusals to write them as one sentence.

What is being written lies beside its place, under a name that ends in `.tmp`; a run that was killed leaves it behind.
(The `.partial` folder of a quantization is another thing: finished work, with which the next run goes on.)
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from tyllm_base.errors import OutputError
from tyllm_base.system_errors import write_refusal

TEMPORARY = ".tmp"


@contextmanager
def explained(path: Path, note: str = "") -> Iterator[None]:
    """Turn an `OSError` raised inside into an `OutputError` that names `path`, the reason and the cure."""
    try:
        yield
    except OSError as error:
        raise write_refusal(path, error.errno, note) from error


@contextmanager
def atomic_file(path: Path, note: str = "") -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises:
        OutputError: the system refuses to write.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with explained(path, note):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """A new folder beside `folder`, which takes its place when the block ends well and vanishes when it does not.

    What killed runs of the same folder left behind is removed first.

    Args:
        folder: where it will be.
        replace: whether what is at `folder` in the end goes; otherwise only an empty folder does.

    Raises:
        OSError: the system refuses to write, or there is something at `folder` that stays.
    """
    _remove_abandoned(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}{TEMPORARY}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        if replace:
            _replace(temporary, folder)
        else:
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed runs left beside `folder`; one that still runs keeps its own."""
    for path in folder.parent.glob(f".{escape(folder.name)}.*{TEMPORARY}"):
        process = path.name.split(".")[-2]
        if process == str(os.getpid()) or not Path("/proc", process).exists():
            shutil.rmtree(path, ignore_errors=True)


def _replace(temporary: Path, folder: Path) -> None:
    """Put the finished folder in its place; an old one goes only then."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def refuse_existing(path: Path, sentence: str, *, unless_empty: bool = False) -> None:
    """Raise `OutputError` if there is something at `path`.

    Args:
        path: where something new is to be written.
        sentence: what to say after the path, such as "exists; choose another folder".
        unless_empty: let an empty folder pass.
    """
    if not path.exists() and not path.is_symlink():
        return
    if unless_empty and path.is_dir() and not any(path.iterdir()):
        return
    raise OutputError(f"{path} {sentence}.")


def write_json(path: Path, value: object, note: str = "") -> None:
    """Write `value` as indented JSON, atomically; raises `OutputError`."""
    with atomic_file(path, note) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make `path` and its parents; raises `OutputError`."""
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
