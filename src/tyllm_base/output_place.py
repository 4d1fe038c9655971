"""The place of a folder that will be written: held by locks for the whole run, and cleared of what killed runs left.

What is under way lies beside the folder, as `.NAME.tyllm.tmp`; or in it, as `.tyllm.tmp`, where it cannot be renamed:
it is a mount point, the folder above may not be written, or this process stands in it.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tyllm_base.durable import make_folders, remove_tree, rename_new, sync_folder
from tyllm_base.errors import OutputError
from tyllm_base.file_lock import FileLock
from tyllm_base.filling import FILLED, finish_filling
from tyllm_base.write_errors import explained

OWN = ".tyllm"
LOCK, TEMPORARY, REPLACED = ".lock", ".tmp", ".old"
ATTEMPTS = 5  # at making a folder that others, who were refused, remove again
MOUNTS = Path("/proc/self/mountinfo")


def entries(folder: Path) -> list[str]:
    """The names in a folder that are not ours, nor the file system's own."""
    own = (f"{OWN}{suffix}" for suffix in (LOCK, TEMPORARY, FILLED, ".partial"))
    return sorted({path.name for path in folder.iterdir()} - {*own, "lost+found"})


def is_free(path: Path) -> bool:
    """Whether nothing is at `path`, or an empty folder."""
    if not os.path.lexists(path):
        return True
    with explained(path):
        return path.is_dir() and not entries(path)


def refuse_existing(path: Path, sentence: str, *, unless_empty: bool = False) -> None:
    """Raise `OutputError` if there is something at `path`.

    Args:
        path: where something new is to be written.
        sentence: what to say after the path, such as "exists; choose another folder".
        unless_empty: let an empty folder pass.
    """
    with explained(path):
        real = real_path(path)
    if os.path.lexists(real) and not (unless_empty and is_free(real)):
        raise OutputError(f"{path} {sentence}.")


@dataclass
class OutputPlace:
    """The place of a folder, from `take` to `release`; a context manager.

    Attributes:
        given: the folder as the user calls it.
        folder: its real path: links on the way, and a link of its own name, are followed.
        inside: whether what is written lies in it until it is finished, because it cannot be renamed.
    """

    given: Path
    folder: Path
    inside: bool
    _locks: list[FileLock] = field(default_factory=list)
    _parents: list[Path] = field(default_factory=list)

    @classmethod
    def take(cls, given: Path, refuse: Callable[[Path], object] = lambda _: None, wait: bool = False) -> OutputPlace:
        """Hold the place.

        Args:
            given: the folder that will be there.
            refuse: raises `OutputError` if what is there stays; asked before anything is touched, and when it is held.
            wait: until another run has left it, instead of raising.

        Raises:
            OutputError: another run writes there, a link leads nowhere, the system refuses, or `refuse` does.
        """
        try:
            refuse(given)
        except OutputError as error:
            if not has_remains(given):
                raise
            cls.take(given).release()  # a run that lives is a better reason
            raise OutputError(f"{error} What a run that was ended had left beside it is removed now.") from None
        with explained(given):
            folder = real_path(given)
            place = cls(given, folder, cannot_be_renamed(folder))
            try:
                place._hold(wait)
                place._recover()
                refuse(given)
            except BaseException:
                place.release()
                raise
        return place

    def near(self, suffix: str) -> Path:
        """A name of ours beside the folder, or in it."""
        return _near(self.folder, suffix, self.inside)

    def release(self) -> None:
        """Let go; folders that were made for the locks go, if they are empty."""
        for lock in reversed(self._locks):
            lock.release()
        self._locks.clear()
        for parent in self._parents:
            with suppress(OSError):
                parent.rmdir()
        self._parents.clear()

    def _hold(self, wait: bool) -> None:
        """Lock beside the folder and in it: who sees its parent and who has only it mounted must see each other."""
        is_there, parent = self.folder.is_dir(), self.folder.parent
        if not self.inside or (parent != self.folder and os.access(parent, os.W_OK | os.X_OK)):
            self._lock(False, wait)
        if is_there:
            try:
                self._lock(True, wait)
            except PermissionError:
                if self.inside:
                    raise

    def _lock(self, inside: bool, wait: bool) -> None:
        for attempt in range(ATTEMPTS):
            try:
                if not inside:
                    self._make_parents()
                self._locks.append(FileLock.take(_near(self.folder, LOCK, inside), wait))
                return
            except BlockingIOError as error:
                raise OutputError(
                    f"{self.given} is being written by another run ({error.strerror}); "
                    "wait for its end, or choose another folder."
                ) from None
            except FileNotFoundError:
                if inside or attempt == ATTEMPTS - 1:
                    raise

    def _make_parents(self) -> None:
        """Make the folders above, and note those that were not there."""
        missing = make_folders(self.folder.parent)
        self._parents = [*dict.fromkeys([*missing, *self._parents])]

    def _recover(self) -> None:
        """Finish or undo what a killed run was at, and say so."""
        told = []
        if self.folder.is_dir():
            if finish_filling(self.folder):
                told.append("what it had finished is in its place now")
            told += _removed(_near(self.folder, TEMPORARY, True))
        old = _near(self.folder, REPLACED, False)
        if old.is_dir() and not old.is_symlink() and not os.path.lexists(self.folder):
            rename_new(old, self.folder)
            sync_folder(self.folder.parent)
            told.append("what it was about to replace is back in its place")
        for suffix in (REPLACED, TEMPORARY):
            told += _removed(_near(self.folder, suffix, False))
        self._refuse_remains()
        if told:
            warnings.warn(f"An earlier run to {self.given} was ended; {', '.join(told)}.", UserWarning, stacklevel=4)

    def _refuse_remains(self) -> None:
        """Raise `OutputError`, before the work and not after it, if a name of ours is taken by what cannot go."""
        for path in [self.near(TEMPORARY)] + [_near(self.folder, FILLED, True)] * self.inside:
            if os.path.lexists(path):
                raise OutputError(f"{path} is in the way of {self.given}; remove it, or choose another folder.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def has_remains(given: Path) -> bool:
    """Whether a run to a folder lives, or was killed and left something that only the next one may remove."""
    with explained(given):
        folder = real_path(given)
    beside = (LOCK, TEMPORARY, REPLACED)
    names = [_near(folder, suffix, False) for suffix in beside]
    names += [_near(folder, suffix, True) for suffix in (*beside, FILLED)]
    return any(map(os.path.lexists, names))


def _near(folder: Path, suffix: str, inside: bool) -> Path:
    return folder / f"{OWN}{suffix}" if inside else folder.parent / f".{folder.name}{OWN}{suffix}"


def _removed(remains: Path) -> list[str]:
    """Remove a folder that a killed run left; what was done, in words."""
    if not remains.is_dir() or remains.is_symlink():
        return []
    remove_tree(remains)
    return [f"{remains.name} {'cannot be' if remains.exists() else 'is'} removed"]


def real_path(given: Path) -> Path:
    """The path without links.

    Raises:
        OutputError: it is a link, or has one on its way, that leads nowhere.
    """
    try:
        absolute = given.absolute()
    except FileNotFoundError:
        raise OutputError(f"{given} lies in the working directory, which is gone; change to another one.") from None
    for path in (absolute, *absolute.parents):
        if path.is_symlink() and not path.exists():
            raise OutputError(
                f"{path} is a link to {path.readlink()}, which is not there; make that folder, or remove the link."
            )
    return Path(os.path.realpath(absolute))


def cannot_be_renamed(folder: Path) -> bool:
    """Whether a folder is there that must stay the folder that it is, and be filled."""
    if not folder.is_dir():
        return False
    here: Path | None = None
    with suppress(OSError):
        here = Path(os.path.realpath(Path.cwd()))
    is_here = here is not None and (folder == here or folder in here.parents)
    return is_here or is_mount_point(folder) or not os.access(folder.parent, os.W_OK | os.X_OK)


def is_mount_point(folder: Path) -> bool:
    """Whether something is mounted at a folder, of the same file system too."""
    if os.path.ismount(folder):
        return True
    try:
        lines = MOUNTS.read_bytes().splitlines()
    except OSError:
        return False
    mounted = (re.sub(rb"\\(\d{3})", lambda found: bytes([int(found[1], 8)]), line.split(b" ")[4]) for line in lines)
    return os.fsencode(folder) in mounted
