"""The measurements of a round: each engine on each shape and prompt length, in a process of its own."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.harness.driver_process import run_driver
from baselines.harness.steps import StepError
from baselines.inference.engines import Engine
from baselines.inference.samples import Sample
from baselines.inference.shapes import NEW_TOKENS, REPEATS, Shape

LONGEST = 900  # seconds that a measurement may take


@dataclass(frozen=True)
class Job:
    """One measurement: `prompt` is the prompt's length in tokens."""

    shape: Shape
    engine: Engine
    prompt: int

    @property
    def model(self) -> Path:
        """The converted model."""
        return self.engine.model(self.shape.name)

    @property
    def label(self) -> str:
        """In the lines of progress."""
        return f"{self.shape.name:14}{self.engine.title:38}"


def jobs(shapes: Iterable[Shape], engines: Sequence[Engine], prompts: Iterable[int]) -> list[Job]:
    """A round's measurements: for each shape and length engine after engine."""
    wanted = set(prompts)
    return [
        Job(shape, engine, prompt)
        for shape in shapes
        for prompt in shape.prompts
        if prompt in wanted
        for engine in engines
    ]


def measure(job: Job, threads: int, turn: int) -> Sample:
    """Run the engine's driver in round `turn`; a failure is a sample too."""
    settings = {
        "--vocabulary": job.shape.vocabulary, "--prompt": job.prompt, "--new": NEW_TOKENS,
        "--repeats": REPEATS[job.prompt], "--threads": threads, "--seed": turn,
    }  # fmt: skip
    words = [word for pair in settings.items() for word in pair]
    command = [*job.engine.command(), job.model, *words, "--started", time.monotonic()]
    log = f"measure-{job.shape.name}-{job.engine.name}-{job.prompt}"
    try:
        found = run_driver(command, log, job.engine.variables(), LONGEST).answer
    except StepError as failure:
        return Sample(turn, job.shape.name, job.engine.name, job.prompt, error=str(failure))
    rates = tuple(found["prompt"]), tuple(found["decode"])
    return Sample(turn, job.shape.name, job.engine.name, job.prompt, found["start"], *rates, found["peak_rss"])


def described(sample: Sample) -> str:
    """A sample in one line."""
    if sample.error:
        return f"failed: {sample.error}"
    rates = f"pp{sample.prompt} {sample.prompt_rates[-1]:.1f}  tg@{sample.prompt} {sample.decode_rates[-1]:.1f}"
    return f"{rates}  start {sample.start:.2f} s  {sample.peak_rss / 1e6:.0f} MB"
