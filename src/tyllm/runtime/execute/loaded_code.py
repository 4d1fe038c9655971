"""What an executor has loaded, and in which order it goes: the C session with its threads, the code, the parameters.

Nothing goes while a step runs, for that would end the process: who closes an executor waits for the step under way, and
at the end of the process, where a daemon thread may never end, what it may be using simply stays.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from importlib.resources.abc import Traversable

import numpy as np
import numpy.typing as npt

from tyllm.runtime.execute.code_library import unload_code

EXIT_SECONDS = 2.0  # that the end of the process waits for a step


class LoadedCode:
    """Libraries and parameters by their paths, and how the C session that uses them is destroyed.

    Attributes:
        libraries: loaded, with code that the session runs.
        mapped: data of parameters, uint8 [bytes], into which the session points.
        destroy: stops the threads and frees the session's memory.
        is_stopping: whether no step may begin any more.
    """

    def __init__(self, lock: threading.RLock) -> None:
        """Nothing yet; `lock` is held by whoever is in the code."""
        self.libraries: dict[Traversable, ctypes.CDLL] = {}
        self.mapped: dict[Traversable, npt.NDArray[np.uint8]] = {}
        self.destroy: Callable[[], object] = lambda: None
        self.is_stopping = False
        self._lock = lock
        _alive.add(self)

    def unload(self) -> None:
        """Let go of all, when the step under way has ended."""
        self.is_stopping = True  # else a thread that does step after step would not let us in
        with self._lock:
            self._destroy_once()
            while self.libraries:
                unload_code(self.libraries.popitem()[1])
            self.mapped.clear()

    def stop_at_exit(self) -> None:
        """Stop the threads at the end of the process; whatever is still in a step keeps what it needs."""
        self.is_stopping = True
        if self._lock.acquire(timeout=EXIT_SECONDS):
            try:
                self._destroy_once()
            finally:
                self._lock.release()
        else:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))

    def after_fork(self) -> None:
        """In the child there are no threads, so nobody holds the lock, whoever held it when the process was forked."""
        self._lock._at_fork_reinit()  # type: ignore[attr-defined]  # as the standard library does with its own locks

    def _destroy_once(self) -> None:
        destroy, self.destroy = self.destroy, lambda: None
        destroy()


_alive: weakref.WeakSet[LoadedCode] = weakref.WeakSet()


def _after_fork() -> None:
    for loaded in _alive:
        loaded.after_fork()


os.register_at_fork(after_in_child=_after_fork)
