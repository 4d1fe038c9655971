"""Processes that this one started: none outlives it, however it ends, and neither do theirs."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None)  # opened here, for a child after a fork must not load anything


def die_with_parent(parent: int) -> None:
    """Let the system kill this process when its parent ends; to be called in the child.

    Args:
        parent: the number of the parent, which may have ended before this call.
    """
    if hasattr(_libc, "prctl"):
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans(is_wanted: bool = True) -> None:
    """Let children of ended children become this process's own, so that `kill_descendants` finds them."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(PR_SET_CHILD_SUBREAPER, int(is_wanted))


def descendants() -> list[int]:
    """The numbers of this process's children, their children and so on; none where the system does not tell."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def _children(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path("/proc", str(pid), "task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def kill_descendants() -> None:
    """Kill what this process has started, directly or not."""
    for pid in descendants():
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def run_child(command: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and keep what it printed; it ends when this process does.

    Args:
        command: the program and its arguments.
        environment: variables beside this process's own.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, **(environment or {})},
        preexec_fn=partial(die_with_parent, os.getpid()),
    )
