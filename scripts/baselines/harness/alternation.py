"""The alternating run: program after program, round after round, each measurement in a process of its own."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from baselines.harness.limits import measure_limits
from baselines.harness.run import AlternatingRun
from baselines.harness.steps import say


class Job(Protocol):
    """A measurement to be made: the model that is read, and what the lines of progress call it."""

    @property
    def model(self) -> Path:
        """A file, or a folder."""

    @property
    def label(self) -> str:
        """Of one width for all jobs of a run."""


JobT = TypeVar("JobT", bound=Job)
SampleT = TypeVar("SampleT")


def model_files(model: Path) -> list[Path]:
    """The files of a model: a file itself, or all in a folder."""
    return [path for path in model.rglob("*") if path.is_file()] if model.is_dir() else [model]


def read_into_cache(model: Path) -> None:
    """Read every file once, so that no program waits for the disk."""
    for path in model_files(model):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def minutes_left(spent: float, done: int, planned: int) -> str:
    """How long the rest takes at the speed so far, given the seconds spent on `done` of `planned` measurements."""
    if done >= planned:
        return ""
    return f"  (about {max(1, round(spent / done * (planned - done) / 60))} min left)"


def alternate(
    run: AlternatingRun[SampleT],
    jobs: Sequence[JobT],
    rounds: int,
    save: Path,
    measure: Callable[[JobT, int], SampleT],
    describe: Callable[[SampleT], str],
    sits_out: Callable[[JobT], bool] = lambda job: False,
) -> None:
    """Measure the limits, a round, the limits, a round, … and the limits; save after each sample.

    Args:
        run: what the limits and samples are added to.
        jobs: the measurements of a round, in order.
        rounds: how many.
        save: the file of the run.
        measure: makes a sample of a job in a round, counted from 0; a failure is a sample too.
        describe: a sample in one line.
        sits_out: whether a job is left out from now on.
    """
    begun, done = time.monotonic(), 0
    for turn in range(rounds):
        run.limits.append(measure_limits(run.threads))
        for job in jobs:
            if sits_out(job):
                done += 1
                continue
            read_into_cache(job.model)
            sample = measure(job, turn)
            run.samples.append(sample)
            run.save(save)
            done += 1
            left = minutes_left(time.monotonic() - begun, done, rounds * len(jobs))
            say(f"round {turn + 1}/{rounds}  {job.label}{describe(sample)}{left}")
    run.limits.append(measure_limits(run.threads))
    run.save(save)
