"""The process behind `isolated_process.py`: `python isolated_worker.py SOCKET PARENT TASK PATHS`.

A call is a header (`CALL`: bytes of the request, seconds of processor time, bytes of memory) and the request; an
answer is its size (`ANSWER`) and JSON: ["value", anything], ["raised", message] or ["memory", null]. An empty answer
says, unasked, that the task's imports are done; the first call prepares the task. Standard library only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALL = struct.Struct("<QdQ")
ANSWER = struct.Struct("<Q")
LOOK_FOR_PARENT = 10.0  # seconds; its end is known at once unless a fork of it holds the socket, too
LONGEST_MESSAGE = 500  # characters of an exception's
FILES = 32  # open at a time, at most
CHUNK = 1 << 18  # bytes received at a time

Handler = Callable[[bytes], Any]


def main() -> None:
    """Answer calls until the parent is gone."""
    number, parent, task, paths = sys.argv[1:]
    _take_signals()
    sys.path[:] = json.loads(paths)
    prepare = _load(Path(task))
    for kind, least in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, FILES)):
        _limit(kind, least)
    memory = address_space()
    connection = socket.socket(fileno=int(number))
    connection.sendall(ANSWER.pack(0))
    handler: Handler | None = None
    while call := _receive(connection, int(parent)):
        request, seconds, more = call
        _limit(resource.RLIMIT_AS, memory + more)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        if handler is None:
            handler, answer = _prepared(prepare, request)
        else:
            answer = answer_to(handler, request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.sendall(ANSWER.pack(len(answer)) + answer)


def answer_to(handler: Handler, request: bytes) -> bytes:
    """The handler's answer, or what it raised, as JSON."""
    try:
        return json.dumps(["value", handler(request)]).encode()
    except MemoryError:
        return b'["memory", null]'
    except BaseException as error:
        return json.dumps(["raised", message_of(error)]).encode()


def message_of(error: BaseException) -> str:
    """What an exception says, on one line and fit to print, with its class unless that is a library's own for it."""
    try:
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error)[:LONGEST_MESSAGE])
    except BaseException:
        text = ""
    name = type(error).__name__
    own = type(error).__module__.split(".")[0] not in ("builtins", "pyo3_runtime")
    return text if own and text else f"{name}: {text}" if text else name


def address_space() -> int:
    """Bytes that this process has mapped."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    return 512 << 20


def _prepared(prepare: Callable[[bytes], Handler], setup: bytes) -> tuple[Handler | None, bytes]:
    """The task's handler, and the answer to the first call."""
    found: list[Handler] = []
    answer = answer_to(lambda request: found.append(prepare(request)), setup)
    return (found[0] if found else None), answer


def _take_signals() -> None:
    """A parent's handlings, inherited, must not outlive limits: the timer's signal kills."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGPROF, signal.SIGTERM, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _load(task: Path) -> Callable[[bytes], Handler]:
    spec = importlib.util.spec_from_file_location("isolated_task", task)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["isolated_task"] = module
    spec.loader.exec_module(module)
    prepare: Callable[[bytes], Handler] = module.prepare
    return prepare


def _limit(kind: int, value: int) -> None:
    """Lower (or, below the hard limit, raise) a limit of this process; where the system knows none, there is none."""
    hard = resource.getrlimit(kind)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _receive(connection: socket.socket, parent: int) -> tuple[bytes, float, int] | None:
    """The next call: request, seconds, bytes of memory; None once the parent is gone. There is one call at a time."""
    received, size = bytearray(), CALL.size
    while len(received) < size:
        while not select.select([connection], [], [], LOOK_FOR_PARENT)[0]:
            if os.getppid() != parent:
                return None
        part = connection.recv(CHUNK)
        if not part:
            return None
        received += part
        if len(received) >= CALL.size:
            length, seconds, memory = CALL.unpack_from(received)
            size = CALL.size + length
    return bytes(memoryview(received)[CALL.size :]), seconds, memory


if __name__ == "__main__":
    with contextlib.suppress(OSError):  # the parent went in the middle of an answer
        main()
