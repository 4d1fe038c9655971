"""Locks that the child of a fork finds free: the threads that may have held them stayed behind in the parent."""

from __future__ import annotations

import os
import threading
import weakref


def new_lock() -> threading.Lock:
    """A lock; not reentrant."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def new_rlock() -> threading.RLock:
    """A lock that its owner may take again."""
    lock = threading.RLock()
    _locks.add(lock)
    return lock


_locks: weakref.WeakSet[threading.Lock | threading.RLock] = weakref.WeakSet()


def _free_all() -> None:
    for lock in list(_locks):
        lock._at_fork_reinit()  # type: ignore[union-attr]  # as the standard library does with its own locks


os.register_at_fork(after_in_child=_free_all)
