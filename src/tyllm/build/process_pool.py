"""A pool of processes, for Python does one thing at a time: children inherit what they need, and send results.

They die with their parent, however it ends.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NoReturn, TypeAlias

import torch

from tyllm_base.child_processes import die_with_parent
from tyllm_base.errors import TyllmError
from tyllm_base.progress import Advance
from tyllm_base.unfinished import forget_unfinished

Task = Callable[[Advance], Any]
Channel: TypeAlias = "Connection[Any, Any]"
REPORT, RESULT, FAILURE = "report", "result", "failure"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # a terminal or a service manager sends them to children too


def run_in_processes(tasks: Sequence[Task], processes: int, report: Advance) -> list[Any]:
    """The tasks' results, in their order; the tasks are begun in that order too.

    Args:
        tasks: each gets a function to report with, and returns what can be pickled.
        processes: how many run at a time.
        report: called in this process with what the tasks report.

    Raises:
        BaseException: what a task raised, with the child's traceback as a note; the other tasks are then killed.
        TyllmError: a child was killed.
    """
    results: list[Any] = [None] * len(tasks)
    waiting = iter(range(len(tasks)))
    with _children(tasks, min(processes, len(tasks))) as running:
        for connection in running:
            connection.send(next(waiting))
        while running:
            ready = wait(running)
            for connection in [each for each in running if each in ready]:
                kind, value = _receive(connection)
                if kind == FAILURE:
                    raise value
                if kind == REPORT:
                    report(*value)
                    continue
                index, result = value
                results[index] = result
                connection.send(following := next(waiting, None))
                if following is None:
                    running.remove(connection)
    return results


def _receive(connection: Channel) -> tuple[str, Any]:
    try:
        kind, value = connection.recv()
        return kind, value
    except EOFError:
        raise TyllmError("A process of the compiler was killed; see whether the machine ran out of memory.") from None


@contextmanager
def _children(tasks: Sequence[Task], count: int) -> Iterator[list[Channel]]:
    """Connections to children that run tasks by number until they get None; none outlives the block."""
    pids: list[int] = []
    connections: list[Channel] = []
    try:
        for _ in range(count):
            ours, theirs = Pipe()
            pid = _fork(lambda: _child(tasks, theirs, [ours, *connections]))  # noqa: B023 (called before the next turn)
            theirs.close()
            pids.append(pid)
            connections.append(ours)
        yield list(connections)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)  # one that is done waits to be reaped
            os.waitpid(pid, 0)
        for connection in connections:
            connection.close()


def _fork(child: Callable[[], NoReturn]) -> int:
    """The number of a child that calls `child`; a signal that comes meanwhile is the parent's alone.

    Raises:
        TyllmError: the system allows no more processes.
    """
    parent, before = os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        pid = os.fork()
        if not pid:
            try:
                die_with_parent(parent)
                for number in ENDING:
                    signal.signal(number, signal.SIG_IGN)  # the parent gets it too, and ends this process
                signal.set_wakeup_fd(-1)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                child()
            finally:
                os._exit(0)
        return pid
    except OSError as error:
        raise TyllmError(
            f"The system starts no process for the compiler ({error.strerror}); "
            "end other programs or raise the limits (ulimit -u, memory)."
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _child(tasks: Sequence[Task], connection: Channel, of_parent: Sequence[Channel]) -> NoReturn:
    """Run what the parent asks for; leave without the parent's own clean-up."""
    try:
        forget_unfinished()
        for other in of_parent:
            other.close()
        torch.set_num_threads(1)  # OpenMP waits for ever for threads that were the parent's
        gc.freeze()  # what is there stays there: not looked at again, not copied
        _serve(tasks, connection)
    finally:
        os._exit(0)


def _serve(tasks: Sequence[Task], connection: Channel) -> None:
    with suppress(EOFError, BrokenPipeError):
        while (index := connection.recv()) is not None:
            try:
                result = tasks[index](lambda amount, what: connection.send((REPORT, (amount, what))))
                connection.send((RESULT, (index, result)))
            except BaseException as error:
                error.add_note(traceback.format_exc())
                connection.send((FAILURE, _sendable(error)))


def _sendable(error: BaseException) -> BaseException:
    """The error itself, or its text where the parent could not make it again."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (its own)
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
