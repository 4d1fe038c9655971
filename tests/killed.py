"""Kills a child process before each of its system calls on files in turn, as a power cut or `kill -9` would."""

import os
import signal
from collections.abc import Callable, Iterator

from tyllm_base import durable

CALLS = ("open", "fsync", "mkdir", "rmdir", "rename", "replace", "unlink", "chmod", "ftruncate", "pwrite", "close")


def killed_at_each_call(prepare: Callable[[], object], run: Callable[[], object], most: int = 400) -> Iterator[int]:
    """Prepare and run in a child that is killed before its first call, its second, …; yields the numbers of the calls.

    The caller looks at what is left after each. Ends when a child reaches its end; that must have been a good one.
    """
    for number in range(most):
        prepare()
        child = os.fork()
        if not child:
            _die_at(number, run)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "the child that nobody killed failed"
            assert number > 5
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield number
    raise AssertionError("the child never ends")


def _die_at(number: int, run: Callable[[], object]) -> None:
    """Run in this process, which is a child, and end it."""
    left = [number]

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def count(*arguments: object, **options: object) -> object:
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*arguments, **options)

        return count

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    durable.rename_by_flag = counted(durable.rename_by_flag)  # type: ignore[assignment]
    try:
        run()
    except BaseException:
        os._exit(1)
    os._exit(0)
