"""What an executor has loaded, and in which order it goes: the C session with its threads, the code, the parameters.

Nothing goes while a step runs, for that would end the process: who closes an executor waits for the step under way, and
at the end of the process, where a daemon thread may be in one, all stays as it is.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from importlib.resources.abc import Traversable

import numpy as np
import numpy.typing as npt

from tyllm.runtime.execute.code_library import unload_code

CLOSED = "The session is closed; open the package again."
FORKED = "The session was opened before a fork, and its threads stayed behind; open the package again in this process."


class LoadedCode:
    """Libraries and parameters by their paths, and how the C session that uses them is destroyed.

    Attributes:
        libraries: loaded, with code that the session runs.
        mapped: data of parameters, uint8 [bytes], into which the session points.
        destroy: stops the threads and frees the session's memory.
        refusal: why no step may begin any more; empty where it may.
    """

    def __init__(self, lock: threading.RLock) -> None:
        """Nothing yet; `lock` is held by whoever is in the code."""
        self.libraries: dict[Traversable, ctypes.CDLL] = {}
        self.mapped: dict[Traversable, npt.NDArray[np.uint8]] = {}
        self.destroy: Callable[[], object] = lambda: None
        self.refusal = ""
        self._lock = lock
        atexit.register(self.stay)
        _alive.add(self)

    def unload(self) -> None:
        """Let go of all, when the step under way has ended; calling it twice is no mistake.

        Where this very thread is in the code, as when a signal's handler calls it, nothing goes yet.
        """
        self.refusal = CLOSED  # else a thread that does step after step would not let us in
        if self._lock._is_owned():  # type: ignore[attr-defined]  # as the standard library's Condition asks it
            return
        with self._lock:
            destroy, self.destroy = self.destroy, lambda: None
            destroy()
            while self.libraries:
                unload_code(self.libraries.popitem()[1])
            self.mapped.clear()
        atexit.unregister(self.stay)

    def stay(self) -> None:
        """At the end of the process: leave all to the system, for a thread may be in a step until the very end."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))


_alive: weakref.WeakSet[LoadedCode] = weakref.WeakSet()


def _after_fork() -> None:
    """In the child there are no threads to run steps with."""
    for loaded in list(_alive):
        loaded.refusal = FORKED


os.register_at_fork(after_in_child=_after_fork)
