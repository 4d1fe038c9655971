"""A Python process of its own for code that must not take this one down: foreign chat templates, foreign tokenizers.

It stays warm and answers one call after the other. Its limits hold because the kernel keeps them: of memory by
setrlimit, of processor time by a timer whose signal kills; and this side waits no longer than it said. Whatever becomes
of the process, the call ends in an error of the caller's, and the next call starts another. Its other half is
`isolated_worker.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tyllm_base.errors import TyllmError
from tyllm_base.isolated_worker import ANSWER, CALL, CHUNK

WORKER = Path(__file__).with_name("isolated_worker.py")
START_SECONDS = 60.0  # for Python and the task's imports, of which a busy machine makes seconds
MIB = 1 << 20
NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)  # a process that is gone is an error, and no SIGPIPE


@dataclass(frozen=True)
class Limits:
    """Bounds of one call.

    Attributes:
        seconds: of processor time.
        wall_seconds: that the caller waits; several times as long, since the machine may be busy.
        memory: bytes beyond those that the process has after its imports.
        answer: bytes of the answer.
    """

    seconds: float
    wall_seconds: float
    memory: int
    answer: int

    def for_request(self, size: int) -> Limits:
        """The limits of a call whose request has `size` bytes: a long chat is no attack."""
        more = size / (2 * MIB)
        return Limits(
            self.seconds + more, self.wall_seconds + 5 * more, self.memory + 32 * size, self.answer + 16 * size
        )


@dataclass(frozen=True)
class Failure:
    """Why a call has no answer.

    Attributes:
        kind: "raised", by the code itself; "stopped", at a limit or by a crash; "not started", none was to be had.
        reason: of "raised" the exception's message; else the rest of a sentence such as "took more than 2 s".
    """

    kind: Literal["raised", "stopped", "not started"]
    reason: str


Refuse = Callable[[Failure], TyllmError]


class IsolatedProcess:
    """Runs a task, a Python file, in a process of its own that is started at the first call. From any thread."""

    def __init__(self, task: Path, setup: bytes, limits: Limits) -> None:
        """Nothing is started yet.

        Args:
            task: a file with `prepare(setup: bytes)`, which returns the function that answers `request: bytes` with
                anything that JSON holds. It may import the standard library and installed packages, none of ours.
            setup: given to `prepare` in each process that is started.
            limits: of `prepare`.
        """
        self._task, self._setup, self._limits = task, setup, limits
        self._lock = threading.Lock()
        self._process: _Process | None = None
        _ALL.add(self)

    def start(self, refuse: Refuse) -> None:
        """Start the process and prepare the task, unless that is done; raises what `refuse` makes of a failure."""
        with self._lock:
            self._started(refuse)

    def call(self, request: bytes, refuse: Refuse, limits: Limits) -> Any:
        """The task's answer to a request; raises what `refuse` makes of a failure.

        Args:
            request: its size raises the limits.
            refuse: makes the error.
            limits: of this call.
        """
        with self._lock:
            process = self._started(refuse)
            return self._exchange(process, request, limits, refuse)

    def close(self) -> None:
        """End the process; calling it twice is no mistake, and a later call starts another."""
        with self._lock:
            self._end()

    def _started(self, refuse: Refuse) -> _Process:
        if self._process is None:
            try:
                self._process = process = _Process(self._task)
            except OSError as error:
                raise refuse(Failure("not started", f"{error.strerror or error}")) from error
            self._finalizer = weakref.finalize(self, process.end)
            self._exchange(process, self._setup, self._limits, refuse)
        return self._process

    def _exchange(self, process: _Process, request: bytes, limits: Limits, refuse: Refuse) -> Any:
        """One request and its answer; a process that is in doubt is ended."""
        whole = False
        try:
            found = process.exchange(request, limits.for_request(len(request)))
            whole = not isinstance(found, Failure) or found.kind == "raised"
        finally:
            if not whole:  # be it for Ctrl-C: an answer that nobody reads must not be the next call's
                self._end()
        if isinstance(found, Failure):
            if process.fresh:  # the task was not prepared: there is nothing that could answer
                self._end()
            raise refuse(found)
        process.fresh = False
        return found[0]

    def _end(self) -> None:
        if self._process is not None:
            self._finalizer()
            self._process = None

    def forget(self) -> None:
        """In the child of a fork: leave the process to the parent."""
        self._lock = threading.Lock()
        if self._process is not None:
            self._finalizer.detach()
            self._process.leave()
            self._process = None


_ALL: weakref.WeakSet[IsolatedProcess] = weakref.WeakSet()


def _forget_all() -> None:
    for process in list(_ALL):
        process.forget()


os.register_at_fork(after_in_child=_forget_all)


class _SlowStartError(Exception):
    """Python and the task's imports took longer than `START_SECONDS`."""


class _Process:
    """One process and the socket to it."""

    def __init__(self, task: Path) -> None:
        """Start it; raises `OSError`."""
        if getattr(sys, "frozen", False) or not sys.executable:
            raise OSError("this program has no Python interpreter beside it")
        self.fresh = True
        self._owner = os.getpid()
        self._socket, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-I", "-S", str(WORKER), str(number), str(self._owner), str(task.absolute())]
            try:
                self._popen = subprocess.Popen(
                    [*command, json.dumps([str(Path(entry).absolute()) for entry in sys.path if entry])],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    pass_fds=[number], start_new_session=True,  # the terminal's Ctrl-C is not for it
                )  # fmt: skip
            except (OSError, ValueError) as error:
                self._socket.close()
                raise error if isinstance(error, OSError) else OSError(str(error)) from error

    def exchange(self, request: bytes, limits: Limits) -> tuple[Any] | Failure:
        """The answer, in a tuple, or why there is none."""
        try:
            if self.fresh:  # its imports run none of the foreign input: a busy machine may take its time
                self._await_start()
            deadline = time.monotonic() + limits.wall_seconds
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._socket.sendall(CALL.pack(len(request), limits.seconds, limits.memory) + request, NO_SIGNAL)
            answer = self._receive(limits.answer, deadline)
            if answer is None:
                return Failure("stopped", f"gave more than {limits.answer // MIB} MiB")
            kind, value = json.loads(answer)
        except _SlowStartError:
            return Failure("not started", f"it was not there after {START_SECONDS:.3g} s")
        except TimeoutError:
            return Failure("stopped", f"took longer than {limits.wall_seconds:.3g} s")
        except (OSError, EOFError):
            return Failure("stopped", self._cause_of_death(limits))
        except (ValueError, TypeError, RecursionError) as error:
            return Failure("stopped", f"gave no answer that can be read ({error})")
        if kind == "memory":
            return Failure("stopped", _too_much(limits))
        return (value,) if kind == "value" else Failure("raised", str(value))

    def _await_start(self) -> None:
        """Wait until the process says that its imports are done; raises `EOFError`, `_SlowStartError`, `OSError`."""
        try:
            self._receive(0, time.monotonic() + START_SECONDS)
        except TimeoutError as error:
            raise _SlowStartError from error

    def _receive(self, longest: int, deadline: float) -> bytes | None:
        """The answer to the one call; None of a longer one. Raises `EOFError`, `TimeoutError`, `OSError`."""
        received, size = bytearray(), ANSWER.size
        while len(received) < size:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            part = self._socket.recv(CHUNK)
            if not part:
                raise EOFError
            received += part
            if len(received) >= ANSWER.size:
                size = ANSWER.size + ANSWER.unpack_from(received)[0]
            if size > ANSWER.size + longest:
                return None
        return bytes(memoryview(received)[ANSWER.size :])

    def _cause_of_death(self, limits: Limits) -> str:
        try:
            code = self._popen.wait(10)
        except subprocess.TimeoutExpired:
            return "closed the connection to its process"
        if code == -signal.SIGPROF:
            return f"took more than {limits.seconds:.3g} s of processor time"
        if code == -signal.SIGABRT:
            return f"crashed (SIGABRT), or {_too_much(limits)}"
        if code == -signal.SIGKILL:
            return "was killed by the system, most likely for want of memory"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return f"crashed ({name})"
        return f"ended its process (exit code {code})"

    def end(self) -> None:
        """Kill it and leave no zombie; in another process than the one that started it, nothing but `leave`."""
        if self._owner == os.getpid() and self._popen.returncode is None:
            self._popen.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(10)
        self.leave()

    def leave(self) -> None:
        """Close this side of the socket."""
        self._socket.close()


def _too_much(limits: Limits) -> str:
    return f"needed more than {limits.memory // MIB} MiB of memory"
