"""The alternating run over vision towers: program after program, round after round, each in a process of its own."""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rounds import read_into_cache
from steps import clean_environment, say
from tower_engines import TowerEngine

LONGEST = 600  # seconds that a process may take
FAR = 3.0  # times as long as the fastest it competes with: such a program is measured in the first round only
REPEATS, SECONDS = 5, 6.0  # images of a process after the first: so many, or no more once so much time is spent


@dataclass(frozen=True)
class TowerSample:
    """What one process measured.

    Attributes:
        round: which turn of the alternation, from 0.
        engine: the program's name.
        start: seconds from the process's start to the embeddings of the first picture.
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


@dataclass
class TowerRun:
    """All that one alternating run measured: day, tower, grid of patches, processor, threads, limits, samples."""

    when: str
    tower: str
    grid: tuple[int, int]
    machine: str
    threads: int
    limits: list[dict[str, float]] = field(default_factory=list)
    samples: list[TowerSample] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def of(self, engine: str) -> list[TowerSample]:
        """A program's samples that have figures."""
        return [sample for sample in self.samples if sample.engine == engine and not sample.error]


def measure(engine: TowerEngine, model: Path, data: Path, threads: int, turn: int) -> TowerSample:
    """Run the program's driver; a failure is a sample too."""
    failed = TowerSample(turn, engine.name)
    settings = {
        "--data": data, "--threads": threads, "--repeats": REPEATS, "--seconds": SECONDS,
        "--variant": engine.variant, "--started": time.monotonic(),
    }  # fmt: skip
    command = [*engine.command(), model, *(str(word) for pair in settings.items() for word in pair)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, env=clean_environment())
    except subprocess.TimeoutExpired:
        return replace(failed, error=f"took longer than {LONGEST} s")
    lines = result.stderr.strip().splitlines()
    if result.returncode:
        return replace(failed, error=lines[-1] if lines else f"exit status {result.returncode}")
    found = json.loads(result.stdout.strip().splitlines()[-1])
    return replace(failed, **found | {"seconds": tuple(found["seconds"])})


def alternate(
    run: TowerRun, models: dict[TowerEngine, Path], data: Path, rounds: int, save: Path, limits: Callable[[], None]
) -> None:
    """`limits`, a round, `limits`, a round, … and `limits`; save after each sample."""
    for turn in range(rounds):
        limits()
        for engine, model in models.items():
            if is_far(run, engine, models):
                continue
            read_into_cache(model)
            sample = measure(engine, model, data, run.threads, turn)
            run.samples.append(sample)
            run.save(save)
            say(f"round {turn + 1}/{rounds}  {engine.title:56}{described(sample)}")
    limits()
    run.save(save)


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
