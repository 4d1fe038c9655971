"""The thread that runs an engine's steps while there are requests, and hands each its updates.

Whoever asks only leaves a note and is never kept waiting by a step. Receivers are called in the engine's thread and
must return at once.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence

from tyllm.runtime.scheduler.engine_core import EngineCore
from tyllm.runtime.scheduler.scheduled_sequence import ScheduledSequence
from tyllm.runtime.scheduler.sequence_update import SequenceUpdate
from tyllm_base.doors import explained, passes
from tyllm_base.errors import GenerationError, TyllmError

Receiver = Callable[[SequenceUpdate], object]
EXIT_SECONDS = 10.0  # that the end of the process waits for the step under way
POLL_SECONDS = 0.005  # between looks at images whose embeddings are computed, while nothing else can run


class EngineLoop:
    """Drives an engine core; from any thread."""

    def __init__(self, core: EngineCore, close: Callable[[], object]) -> None:
        """Take a core; the thread starts with the first request.

        Args:
            core: nobody else may use it.
            close: lets go of what the core stands on, once no step runs any more.
        """
        self._core, self._close = core, close
        self._notes: deque[Callable[[], object]] = deque()
        self._receivers: dict[str, tuple[Receiver, int]] = {}
        self._wake = threading.Condition()
        self._process, self._thread = os.getpid(), None
        self._error: TyllmError | None = None
        _loops.add(self)

    _thread: threading.Thread | None

    def submit(self, sequences: Sequence[ScheduledSequence], receiver: Receiver) -> None:
        """Begin a request; `receiver` is called with every update of its sequences.

        Raises:
            GenerationError: a request of that name is running, the engine is closed, the process was forked, or this is
                the engine's own thread, which a logits processor would make wait for itself.
        """
        name = sequences[0].request_id
        self._check_caller()
        with self._wake:
            self._check_open()
            if name in self._receivers:
                raise GenerationError(f"A request {name!r:.60} is running already; give each a name of its own.")
            self._receivers[name] = receiver, len(sequences)
            self._note(lambda: self._core.add(sequences))

    def abort(self, request_id: str) -> None:
        """End a request within a step; nothing where it has ended."""
        self._check_process()
        with self._wake:
            if self._error is None:
                self._note(lambda: self._core.abort(request_id))

    def call(self, function: Callable[[], object]) -> None:
        """Have something done between two steps; raises as `submit`."""
        self._check_caller()
        with self._wake:
            self._check_open()
            self._note(function)

    def stop(self) -> None:
        """End all requests with an error and let go of everything, when the step under way has ended."""
        if os.getpid() != self._process:  # the thread has stayed behind
            self._close()
            return
        with self._wake:
            thread, first = self._thread, self._error is None
            self._error = self._error or GenerationError("The engine was closed; open the package again.")
            self._wake.notify()
        if thread is None:
            if first:
                self._close()
        elif thread is not threading.current_thread():
            thread.join()

    def stop_at_exit(self) -> None:
        """As `stop`, but whoever is in a step for long is left there, and nobody is told.

        Only daemon threads can still wait. They end with the process, and would say first that they were told an error.
        """
        if os.getpid() == self._process and self._thread is not None:
            with self._wake:
                self._error = self._error or GenerationError("The process ends.")
                self._receivers.clear()
                self._wake.notify()
            self._thread.join(EXIT_SECONDS)

    def _note(self, note: Callable[[], object]) -> None:
        """Leave a note for the thread; the caller holds the lock."""
        self._notes.append(note)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tyllm-engine", daemon=True)
            self._thread.start()
        self._wake.notify()

    def _check_open(self) -> None:
        if self._error is not None:
            raise self._error.with_traceback(None)  # which would grow with each that is refused

    def _check_caller(self) -> None:
        self._check_process()
        if threading.current_thread() is self._thread:
            raise GenerationError(
                "A logits processor asks the engine that waits for it; open the package again for its own requests."
            )

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise GenerationError("The process was forked, and the engine's threads have stayed in the parent; open "
                                  "the package in the child.")  # fmt: skip

    def _run(self) -> None:
        """Steps until the end."""
        try:
            while self._read_notes():
                self._deliver(self._core.step())
        except BaseException as error:  # whatever it is, nobody may wait for ever
            failure = error if isinstance(error, TyllmError) and passes(error) else explained(error, TyllmError)
            with self._wake:
                self._error = self._error or failure
        finally:
            self._finish()

    def _read_notes(self) -> bool:
        """Do what was noted, having waited where there is nothing to do; whether to go on."""
        with self._wake:
            while not (self._notes or self._core.has_work or self._error):
                self._wake.wait()
            if self._core.is_stalled and not self._notes and not self._error:
                self._wake.wait(POLL_SECONDS)
            count, stopped = len(self._notes), self._error is not None
        for _ in range(count):  # one that fails leaves the others to `_finish`
            self._notes.popleft()()
        return not stopped

    def _finish(self) -> None:
        with self._wake:
            error = self._error
        assert error is not None  # there is no other way out of the loop
        try:
            while self._notes:
                self._notes.popleft()()
            self._deliver(self._core.fail_all(error))
        finally:
            self._close()

    def _deliver(self, updates: Sequence[SequenceUpdate]) -> None:
        """Hand updates to their receivers; a request whose receiver cannot take them is of no use to anybody."""
        for update in updates:
            receiver, left = self._receivers.get(update.request_id, (_nobody, 1))
            if update.finished and left == 1:
                self._receivers.pop(update.request_id, None)
            elif update.finished:
                self._receivers[update.request_id] = receiver, left - 1
            try:
                receiver(update)
            except RuntimeError:  # its event loop is closed
                self._core.abort(update.request_id)


def _nobody(update: SequenceUpdate) -> None:
    """Receives what nobody waits for."""


_loops: weakref.WeakSet[EngineLoop] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for loop in list(_loops):
        loop.stop_at_exit()
