"""Runs the trials in processes of their own, a core each: one that hangs, crashes or eats memory ends alone."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from tests.families.trial import CRASH, Outcome, try_type
from tests.families.variants import changes_of

SECONDS = 300  # for a type; on a machine with nothing else to do it takes ten
MEMORY = 24 * 1024**3  # bytes of address space


@dataclass(frozen=True)
class Trial:
    """A type that is being tried by a child on a core."""

    model_type: str
    core: int
    started: float


def try_all(
    types: Iterable[str], dies: tuple[int, ...], results: Path, method: str = "", seconds: float = SECONDS
) -> Iterator[Outcome]:
    """Outcomes as they come, each also written to `results` as `<type>.json`; quantized if a method is given."""
    torch.set_num_threads(1)  # before a fork: threads stay behind
    waiting, running = list(types), dict[int, Trial]()
    cores = sorted(os.sched_getaffinity(0))
    while waiting or running:
        free = [core for core in cores if core not in [trial.core for trial in running.values()]]
        while waiting and free:
            trial = Trial(waiting.pop(0), free.pop(), time.monotonic())
            running[_start(trial, dies, results, method)] = trial
        time.sleep(0.05)
        for pid, trial in list(running.items()):
            late = time.monotonic() - trial.started > seconds
            if late:
                os.killpg(pid, signal.SIGKILL)
            done, status = os.waitpid(pid, 0 if late else os.WNOHANG)
            if done:
                del running[pid]
                yield _outcome(trial, results, "no result in time" if late else f"the process ended ({status})")


def _start(trial: Trial, dies: tuple[int, ...], results: Path, method: str) -> int:
    """The number of a child that tries the type and leaves its outcome and its log."""
    for kind in ("json", "log"):
        (results / f"{trial.model_type}.{kind}").unlink(missing_ok=True)
    pid = os.fork()
    if not pid:
        _child(trial, dies, results, method)
    return pid


def _child(trial: Trial, dies: tuple[int, ...], results: Path, method: str) -> NoReturn:
    try:
        os.setsid()
        os.sched_setaffinity(0, {trial.core})
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        log = os.open(results / f"{trial.model_type}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        outcome = try_type(*changes_of(trial.model_type), dies, method)
        outcome.model_type = trial.model_type
        _write(outcome, results)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _write(outcome: Outcome, results: Path) -> None:
    path = results / f"{outcome.model_type}.json"
    path.with_suffix(".new").write_text(json.dumps(outcome.to_json()) + "\n", encoding="utf-8")
    path.with_suffix(".new").rename(path)


def _outcome(trial: Trial, results: Path, otherwise: str) -> Outcome:
    """What the child left, or that it left nothing."""
    path = results / f"{trial.model_type}.json"
    if not path.is_file():
        _write(Outcome(trial.model_type, CRASH, otherwise, "Died"), results)
    return read_outcome(path)


def read_outcome(path: Path) -> Outcome:
    """An outcome from its file."""
    return Outcome(**json.loads(path.read_text(encoding="utf-8")))
