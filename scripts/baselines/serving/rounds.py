"""The measurements of a round: each engine under load, then the parts that are ours alone, each in its own process."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from baselines.harness.driver_process import run_driver
from baselines.harness.environments import python
from baselines.harness.steps import StepError
from baselines.inference.shapes import Shape
from baselines.serving.engines import OURS, ServingEngine
from baselines.serving.samples import PARTS, THROUGHPUT, Sample, Workload

LONGEST = 1800  # seconds that a measurement may take


@dataclass(frozen=True)
class Job:
    """One measurement: `part` is "throughput", or one of `PARTS`."""

    shape: Shape
    engine: ServingEngine
    part: str

    @property
    def model(self) -> Path:
        """The converted model."""
        return self.engine.model(self.shape.name)

    @property
    def label(self) -> str:
        """In the lines of progress."""
        return f"{self.shape.name:14}{self.engine.title:38}{self.part:12}"

    def command(self, workload: Workload, threads: int, turn: int) -> list[object]:
        """Interpreter, driver and its arguments."""
        sizes = asdict(workload)
        streams, requests = sizes.pop("streams"), sizes.pop("requests")
        given = {"prompt": workload.prompt, "new": workload.new, "requests": requests}
        command: list[object] = [*self.engine.command(), self.model, "--streams", *streams]
        if self.part != THROUGHPUT:
            given = sizes
            command = [python(""), self.engine.drivers / "drive_part.py", self.part, self.model]
        given |= {"vocabulary": self.shape.vocabulary, "threads": threads, "seed": turn}
        return command + [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]


def jobs(shapes: Iterable[Shape], engines: Sequence[ServingEngine], parts: Iterable[str]) -> list[Job]:
    """A round's measurements: for each shape engine after engine, then the parts."""
    wanted = set(parts)
    found = []
    for shape in shapes:
        found += [Job(shape, engine, THROUGHPUT) for engine in engines if THROUGHPUT in wanted]
        found += [Job(shape, OURS, part) for part in PARTS if part in wanted and OURS in engines]
    return found


def measure(job: Job, workload: Workload, threads: int, turn: int) -> Sample:
    """Run the driver in round `turn`; a failure is a sample too."""
    named = job.shape.name, job.part, job.engine.name
    try:
        command = job.command(workload, threads, turn)
        rows = run_driver(command, f"serve-{'-'.join(named)}", job.engine.variables(threads), LONGEST).answer
    except StepError as failure:
        return Sample(turn, *named, error=str(failure))
    return Sample(turn, *named, rows)


def described(sample: Sample) -> str:
    """A sample in one line: of each row the first figure."""
    if sample.error:
        return f"not run: {sample.error}"
    firsts = ((row, *next(iter(columns.items()))) for row, columns in sample.rows.items() if columns)
    return "  ".join(f"{row}: {value:.4g} {column}" for row, column, value in firsts)
