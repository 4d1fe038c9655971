"""Runs a driver as a process of its own: its answer is the last JSON object that it prints."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.harness.paths import LOGS
from baselines.harness.steps import StepError, clean_environment


@dataclass(frozen=True)
class DriverResult:
    """The answer and the cost of a driver's process.

    Attributes:
        answer: the JSON object that it printed last.
        cpu: user and system seconds of the whole process and its children.
        wall: seconds from its start to its end.
        log: the file of everything that it printed.
    """

    answer: dict[str, Any]
    cpu: float
    wall: float
    log: Path


class DriverError(StepError):
    """A driver failed, took too long, or printed no answer; `log` is the file of all that it printed."""

    def __init__(self, message: str, log: Path) -> None:
        super().__init__(message)
        self.log = log


def run_driver(
    command: Sequence[object], log: str, variables: Mapping[str, str] | None = None, timeout: float | None = None
) -> DriverResult:
    """Run a driver and wait for it.

    Args:
        command: interpreter, driver and its arguments.
        log: name of the file in log/, without ".log".
        variables: environment variables on top of `clean_environment`.
        timeout: seconds after which the process is killed.

    Raises:
        DriverError: as the class says; the message is the last line that was printed, or why there is no answer.
    """
    path = LOGS / f"{log}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    words, started = [str(word) for word in command], time.monotonic()
    with path.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=clean_environment(variables))
        usage, late = _wait(process, timeout)
    if late:
        raise DriverError(f"took longer than {timeout} s", path)
    if process.returncode:
        raise DriverError(f"{last_line(path)} (status {process.returncode}, see {path.name})", path)
    return DriverResult(_answer(path), usage.ru_utime + usage.ru_stime, time.monotonic() - started, path)


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> tuple[Any, bool]:
    """The process's resource usage once it has ended, and whether it was killed for taking too long."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        os.kill(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout or 0, kill)
    if timeout is not None:
        timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage, late.is_set()


def _answer(log: Path) -> dict[str, Any]:
    """The last line that is a JSON object, whatever the program writes after it."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    answers = [line for line in lines if line.startswith("{")]
    if not answers:
        raise DriverError(f"printed no answer (see {log.name})", log)
    answer: dict[str, Any] = json.loads(answers[-1])
    return answer


def last_line(log: Path) -> str:
    """The last line with anything in it."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"
