"""A lock that the system takes back when its process ends, however it ends: `flock` on a file that goes with it."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tyllm_base.unfinished import unfinished

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # file systems without `flock`
OWNER = 200  # bytes read of what the other run says of itself
POLL = 0.2  # seconds between two looks where the system cannot wait for us


@dataclass
class FileLock:
    """A lock held by an open file, in which its process says who it is; `release` removes the file.

    Process numbers mean nothing in other containers, so they are told and never asked: a lock is held while some
    process has the file open and locked, and by nothing else. Where the file system has no `flock`, the file itself is
    the lock: who made it has it, and a killed process leaves it behind, for a person to remove.
    """

    path: Path
    descriptor: int
    process: int = field(default_factory=os.getpid)
    _under_way: ExitStack = field(default_factory=ExitStack)  # a process that has to end at once removes the file

    @classmethod
    def take(cls, path: Path, wait: bool = False, needed: bool = True) -> FileLock:
        """The lock.

        Args:
            path: the file, made if it is not there.
            wait: until the other run lets go of it, instead of raising.
            needed: where the file system has no locks, take a file that is there for a lock; else it is taken over.

        Raises:
            BlockingIOError: another run has it; its `strerror` says which.
            OSError: the file cannot be made.
        """
        while True:
            descriptor, is_new = _open(path)
            try:
                _lock(path, descriptor, is_new or not needed, wait)
                if _is_at(path, descriptor) and _sign(path, descriptor):
                    lock = cls(path, descriptor)
                    lock._under_way.enter_context(unfinished(path))
                    return lock
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # the one before us has removed it meanwhile

    def release(self) -> None:
        """Remove the file and let go; in a child of the process that took the lock, nothing."""
        if self.descriptor < 0 or self.process != os.getpid():
            return
        with suppress(OSError):
            if _is_at(self.path, self.descriptor):
                self.path.unlink()  # while it is still ours
        self._under_way.close()
        os.close(self.descriptor)
        self.descriptor = -1


def _open(path: Path) -> tuple[int, bool]:
    """The file, and whether it was made now; for reading only if it is another user's."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        with suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        with suppress(FileNotFoundError):  # removed since
            try:
                return os.open(path, flags), False
            except PermissionError:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), False


def _lock(path: Path, descriptor: int, is_ours: bool, wait: bool) -> None:
    """Lock the open file, `is_ours` where no locks are; raises `BlockingIOError` if another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise BlockingIOError(errno.EWOULDBLOCK, _owner(descriptor), str(path)) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        while not is_ours:
            if not wait:
                words = f"{_owner(descriptor)}; if it has ended, remove {path}"
                raise BlockingIOError(errno.EWOULDBLOCK, words, str(path)) from None
            time.sleep(POLL)
            if not _is_at(path, descriptor):
                return  # `take` looks again


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _sign(path: Path, descriptor: int) -> bool:
    """Write who we are; False if the file is another user's: it is then removed, for it is nobody's any more."""
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    try:
        os.ftruncate(descriptor, 0)
    except OSError:  # not open for writing
        path.unlink()
        return False
    with suppress(OSError):  # on a full disk it stays without a name
        os.pwrite(descriptor, f"process {os.getpid()} on {platform.node() or '?'} since {since}".encode(), 0)
    return True


def _owner(descriptor: int) -> str:
    """What the other run says of itself, without what could act on a terminal."""
    with suppress(OSError):
        words = os.pread(descriptor, OWNER, 0).decode("utf-8", "replace")
        if words.isprintable() and words:
            return words
    return "which has not said who it is"
