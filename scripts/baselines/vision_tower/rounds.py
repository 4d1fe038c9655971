"""The measurements of a round over vision towers, and the samples that they give."""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baselines.harness.driver_process import run_driver
from baselines.harness.run import AlternatingRun
from baselines.harness.steps import StepError
from baselines.vision_tower.engines import TowerEngine

LONGEST = 600  # seconds that a process may take
FAR = 3.0  # times as long as the fastest it competes with: such a program is measured in the first round only
REPEATS, SECONDS = 5, 6.0  # images of a process after the first: so many, or no more once so much time is spent


@dataclass(frozen=True)
class TowerSample:
    """The measurements of one process.

    Attributes:
        round: which turn of the alternation, from 0.
        engine: the program's name.
        start: seconds from the process's start to the embeddings of the first image.
        seconds: of each image after it.
        peak_rss: bytes.
        cosine: of all embeddings with Hugging Face's in float32.
        worst_cosine: the least of one embedding.
        error: why there are no figures.
    """

    round: int
    engine: str
    start: float = 0.0
    seconds: tuple[float, ...] = ()
    peak_rss: int = 0
    cosine: float = 0.0
    worst_cosine: float = 0.0
    error: str = ""

    @property
    def time(self) -> float:
        """The median image."""
        return statistics.median(self.seconds)


@dataclass(kw_only=True)
class TowerRun(AlternatingRun[TowerSample]):
    """All that one alternating run measured: the tower's name, rows and columns of patches, the samples."""

    tower: str
    grid: tuple[int, int]

    def of(self, engine: str) -> list[TowerSample]:
        """A program's samples that have figures."""
        return [sample for sample in self.samples if sample.engine == engine and not sample.error]


@dataclass(frozen=True)
class Job:
    """One measurement: a program, the model that it reads, the folder of patches and reference."""

    engine: TowerEngine
    model: Path
    data: Path

    @property
    def label(self) -> str:
        """In the lines of progress."""
        return f"{self.engine.title:56}"


def measure(job: Job, threads: int, turn: int) -> TowerSample:
    """Run the program's driver in round `turn`; a failure is a sample too."""
    failed = TowerSample(turn, job.engine.name)
    settings = {
        "--data": job.data, "--threads": threads, "--repeats": REPEATS, "--seconds": SECONDS,
        "--variant": job.engine.variant, "--started": time.monotonic(),
    }  # fmt: skip
    command = [*job.engine.command(), job.model, *(word for pair in settings.items() for word in pair)]
    try:
        found = run_driver(command, f"measure-tower-{job.engine.name}", timeout=LONGEST).answer
    except StepError as failure:
        return replace(failed, error=str(failure))
    return replace(failed, **found | {"seconds": tuple(found["seconds"])})


def is_far(run: TowerRun, engine: TowerEngine, engines: Iterable[TowerEngine]) -> bool:
    """Whether the first round has found a program too slow to be the best of the others, which TyLLM is set against."""
    times = {sample.engine: sample.time for sample in run.samples if not sample.round and not sample.error}
    rivals = [times[each.name] for each in engines if each.name in times and not (each.is_ours or each.int8)]
    return bool(rivals) and not engine.is_ours and times.get(engine.name, 0.0) > FAR * min(rivals)


def described(sample: TowerSample) -> str:
    """A sample in one line."""
    if sample.error:
        return f"failed: {sample.error}"
    memory = f"{sample.peak_rss / 1e6:.0f} MB"
    return f"{sample.time:.3f} s  start {sample.start:.1f} s  {memory}  cosine {sample.cosine:.6f}"


def fastest(run: TowerRun, engines: Sequence[TowerEngine]) -> tuple[TowerEngine, float] | None:
    """The program with the least median time, and that time; None where none has figures."""
    times = [(engine, statistics.median(each.time for each in run.of(engine.name)))
             for engine in engines if run.of(engine.name)]  # fmt: skip
    return min(times, key=lambda found: found[1]) if times else None
