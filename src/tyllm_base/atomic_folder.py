"""A folder that appears whole or not at all, on the disk too, and takes another's place in one step where it may."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tyllm_base.durable import exchange, remove_tree, rename_new, sync_folder, sync_tree
from tyllm_base.errors import OutputError
from tyllm_base.filling import fill
from tyllm_base.output_place import REPLACED, TEMPORARY, OutputPlace, entries, is_free
from tyllm_base.unfinished import unfinished


@contextmanager
def atomic_folder(place: OutputPlace, marker: str, may_go: Callable[[Path], bool] = is_free) -> Iterator[Path]:
    """A new folder near `place`, which comes there when the block ends well and vanishes when it does not.

    What lies there stays whole until then. In the end it is looked at again, after it has been taken out of its place:
    what others put there meanwhile is put back.

    Args:
        place: where it will be; held.
        marker: the file without which nobody takes the folder for whole.
        may_go: whether what lies at the place may be replaced.

    Raises:
        OutputError: others put something at the place that stays.
        OSError: the system refuses to write.
    """
    temporary = place.near(TEMPORARY)
    try:
        temporary.mkdir()
        with unfinished(temporary):
            yield temporary
        if place.inside:
            _check(place, may_go)
            fill(place.folder, temporary, marker, entries(place.folder))
        else:
            _put(place, temporary, may_go)
    finally:
        remove_tree(temporary)


def _put(place: OutputPlace, temporary: Path, may_go: Callable[[Path], bool]) -> None:
    """Put the finished folder in its place; what was there is then where the finished one was."""
    folder = place.folder
    if not os.path.lexists(folder):
        sync_tree(temporary)
        try:
            rename_new(temporary, folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            raise _changed(place) from None
    else:
        _check(place, may_go)
        temporary.chmod(stat.S_IMODE(folder.stat().st_mode))
        sync_tree(temporary)
        if exchange(temporary, folder):
            _check_again(temporary, place, may_go)
        else:
            _replace(temporary, place, may_go)
    sync_folder(folder.parent)


def _check_again(taken: Path, place: OutputPlace, may_go: Callable[[Path], bool]) -> None:
    """Put what was taken out back, if it is not what may go."""
    if not may_go(taken):
        exchange(taken, place.folder)
        raise _changed(place)


def _replace(temporary: Path, place: OutputPlace, may_go: Callable[[Path], bool]) -> None:
    """The same where the system cannot exchange: for a moment nothing is there, and a run killed then leaves `old`.

    The next run to the place puts `old` back.
    """
    folder, old = place.folder, place.near(REPLACED)
    folder.rename(old)
    try:
        sync_folder(folder.parent)
        if not may_go(old):
            raise _changed(place)
        rename_new(temporary, folder)
    except BaseException:
        rename_new(old, folder)
        raise
    sync_folder(folder.parent)
    remove_tree(old)


def _check(place: OutputPlace, may_go: Callable[[Path], bool]) -> None:
    if not may_go(place.folder):
        raise _changed(place)


def _changed(place: OutputPlace) -> OutputError:
    return OutputError(
        f"Cannot write {place.given}: something was put there meanwhile, and stays; choose another folder."
    )
