"""Signals that end a command: it cleans up and is gone within a second, whatever it is doing then.

SIGTERM and SIGHUP do as Ctrl-C does: an exception in the main thread, so that every block cleans up after itself. A
call into C that takes long holds that up; so a second thread waits a moment, cleans up in the main thread's place and
leaves. Ctrl-C alone lets such a call end (in a chat it ends the answer, not the chat); pressed twice it does not.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from tyllm_base.child_processes import adopt_orphans, kill_descendants
from tyllm_base.unfinished import remove_unfinished

GRACE_S = 0.5
ENDING = (signal.SIGTERM, signal.SIGHUP)
PROBE = signal.SIGURG  # which does nothing where nobody handles it
SHOW_CURSOR = b"\x1b[?25h\r\n"


def exit_code(number: int) -> int:
    """The exit code that shells report for a command that a signal ended."""
    return 128 + number


@contextmanager
def signals_end(is_process: bool) -> Iterator[None]:
    """While the block runs, signals end it: `KeyboardInterrupt` for SIGINT, `SystemExit` with its code for others.

    Signals that this process was told to ignore (`nohup`) stay ignored. Elsewhere than in the main thread nothing is
    changed.

    Args:
        is_process: whether the process ends with the block; what comes after a signal is then part of its end.
    """
    global _watch
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _watch = watch = _Watch()
    before = watch.start()
    try:
        yield
    finally:
        if is_process and watch.ending:
            watch.leave()  # the interpreter's own end takes a second with all libraries that are loaded
        watch.stop(before)
        _watch = None
        if is_process:
            kill_descendants()


def go_on() -> None:
    """Say that the interrupt was meant for a part of the command, which has ended; the command goes on."""
    if _watch is not None:
        _watch.ending = None
        _watch.interrupts = 0


class _Watch:
    """The signal that the command is ending by, and the thread that sees to it that it does."""

    def __init__(self) -> None:
        self.ending: int | None = None
        self.interrupts = 0
        self.responded = False
        self.stopped = threading.Event()
        self.terminal = _terminal()
        self.main = threading.get_ident()
        self.read, self.write = os.pipe()
        self.thread = threading.Thread(target=self.run, name="signals", daemon=True)

    def start(self) -> dict[int, Any]:
        """Take the signals over; the handlers before that."""
        os.set_blocking(self.write, False)
        before: dict[int, Any] = {}
        for number in (signal.SIGINT, *ENDING):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, self.on_signal)
        before[PROBE] = signal.signal(PROBE, self.on_probe)
        self.wakeup = signal.set_wakeup_fd(self.write, warn_on_full_buffer=False)
        self.unraisable, sys.unraisablehook = sys.unraisablehook, self.on_unraisable
        adopt_orphans()
        with suppress(RuntimeError):  # no more threads are allowed: the exceptions in the main thread must do
            self.thread.start()
        return before

    def stop(self, before: dict[int, Any]) -> None:
        """Give the signals back."""
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self.wakeup)
        sys.unraisablehook = self.unraisable
        adopt_orphans(False)
        self.stopped.set()
        os.close(self.write)
        if self.thread.ident is None:  # it was not started
            os.close(self.read)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """End the command, unless it is ending already."""
        if self.ending is not None:
            return
        self.ending = number
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(exit_code(number))

    def on_probe(self, number: int, frame: FrameType | None) -> None:
        """Tell the thread that the main thread runs handlers, and so is not held up in C."""
        self.responded = True

    def on_unraisable(self, what: sys.UnraisableHookArgs) -> None:
        """Say nothing of our own exceptions where Python cannot pass them on; the thread will end the command."""
        if not (self.ending and isinstance(what.exc_value, KeyboardInterrupt | SystemExit)):
            self.unraisable(what)

    def run(self) -> None:
        """Wait for signals; the numbers come through the pipe as soon as the system delivers them."""
        while numbers := os.read(self.read, 64):
            self.interrupts += numbers.count(signal.SIGINT)
            number = next((number for number in numbers if number in ENDING), signal.SIGINT)
            if number == signal.SIGINT and (self.interrupts < 2 or signal.SIGINT not in numbers):
                continue
            self.responded = False
            signal.pthread_kill(self.main, PROBE)
            if self.stopped.wait(GRACE_S):
                break
            if number in ENDING or self.ending is not None or not self.responded:
                self.end_now(number)
        os.close(self.read)

    def leave(self) -> NoReturn:
        """End the process, whose blocks have cleaned up, by the signal that ended the command."""
        assert self.ending is not None
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        self.end_now(self.ending)

    def end_now(self, number: int) -> NoReturn:
        """Do what the main thread would do, and end the process."""
        kill_descendants()
        remove_unfinished()
        with suppress(Exception):
            self.terminal.restore()
        os._exit(exit_code(number))


class _Terminal:
    """The terminal as the command found it."""

    def __init__(self, mode: list[Any] | None) -> None:
        self.mode = mode

    def restore(self) -> None:
        """Set its mode again, and show the cursor on a line of its own."""
        if self.mode is not None:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
            termios.tcsetattr(0, termios.TCSANOW, self.mode)
        if os.isatty(2):
            os.write(2, SHOW_CURSOR)


def _terminal() -> _Terminal:
    """The terminal of stdin, if it is one."""
    try:
        return _Terminal(termios.tcgetattr(0))
    except (OSError, termios.error):
        return _Terminal(None)


_watch: _Watch | None = None
