"""A child process with a limit, and how it ended: the command line in a fork of this process, without its imports."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HANG, KILLED, SIGNAL, TRACEBACK, INTERNAL, SENTENCE, DONE = (
    "hang", "killed", "signal", "traceback", "internal error", "sentence", "done",
)  # fmt: skip
SENTENCE_CODES = range(1, 10)  # 70 is a fault of ours
PAUSE = 0.002


@dataclass(frozen=True)
class End:
    """How a child ended: one of the words above, its exit code or signal, and what it said at last."""

    kind: str
    code: int
    said: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.code} {self.said[-300:]}"


class Child:
    """A function, or `tyllm` with arguments, in a forked process; `wait` or `kill` ends it."""

    def __init__(self, work: Sequence[object] | Callable[[], object], gate: bool = False) -> None:
        """Start it.

        Args:
            work: arguments of the command line, or a function whose result is printed and whose error ends the process
                as the command line would.
            gate: wait for `open_gate` before the work begins.
        """
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the child)
        gate_end, self._gate = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._gate)
            self._run(work, gate_end if gate else None)
        os.close(gate_end)
        self._killed = False
        self._end: End | None = None

    def _run(self, work, gate) -> None:
        """The child's life."""
        code = 98
        try:
            os.setpgid(0, 0)
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (self._log.fileno(), 1), (self._log.fileno(), 2)):
                os.dup2(source, target)
            sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            if gate is not None:
                os.read(gate, 1)
            code = _call(work)
        except BaseException as error:
            print(f"Traceback (most recent call last): it passed through everything: {error!r}", flush=True)
        finally:
            with suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 97)

    def open_gate(self) -> None:
        """Let the work begin."""
        os.write(self._gate, b"x")

    def wait(self, seconds: float) -> End | None:
        """How it ended, however often it is asked; None if it runs after so many seconds."""
        until = time.monotonic() + seconds
        while self._end is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._end = self._ended(status)
            elif time.monotonic() > until:
                return None
            else:
                time.sleep(PAUSE)
        return self._end

    def finish(self, limit: float) -> End:
        """How it ended; a hang after `limit` seconds, and then it is killed."""
        end = self.wait(limit)
        if end is None:
            self.kill()
            return End(HANG, 0, f"after {limit} s")
        return end

    def kill(self) -> End:
        """Kill it as `kill -9` does, and wait until its own children, which die with it, are gone."""
        self._killed = True
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        for _ in range(500):
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(PAUSE)
        else:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._ended(status)

    def output(self) -> str:
        """What it has printed."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def _ended(self, status: int) -> End:
        said = self.output().strip()
        self._log.close()
        os.close(self._gate)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return End(KILLED if self._killed else SIGNAL, code, said)
        if "Traceback (most recent call last)" in said:
            return End(TRACEBACK, code, said)
        if code == 0:
            return End(DONE, code, said)
        return End(SENTENCE if code in SENTENCE_CODES else INTERNAL, code, said)


def _call(work) -> object:
    if not callable(work):
        from tyllm.cli import main

        return main([str(argument) for argument in work])
    from tyllm_base.errors import TyllmError

    try:
        print(work(), flush=True)
    except TyllmError as error:
        print(f"tyllm: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def run(work: Sequence[object] | Callable[[], object], limit: float = 120.0) -> End:
    """A child's end; a hang after `limit` seconds."""
    return Child(work).finish(limit)


def contents(folder: Path) -> dict[str, bytes] | None:
    """Every file's bytes by its path in the folder; None where there is no folder."""
    if not folder.exists():
        return None
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
