"""The alternating run: engine after engine, round after round, each measurement in a process of its own."""

import json
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from engines import Engine
from limits import measure_limits
from samples import Run, Sample
from shapes import NEW_TOKENS, REPEATS, Shape
from steps import clean_environment, say

LONGEST = 900  # seconds that a measurement may take
Job = tuple[Shape, Engine, int]  # and the prompt's length


def files(model: Path) -> list[Path]:
    """The files of a model: a file itself, or all in a folder."""
    return [path for path in model.rglob("*") if path.is_file()] if model.is_dir() else [model]


def read_into_cache(model: Path) -> None:
    """Read every file once, so that no engine waits for the disk."""
    for path in files(model):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def measure(job: Job, threads: int, turn: int) -> Sample:
    """Run the engine's driver; a failure is a sample too."""
    shape, engine, prompt = job
    failed = Sample(turn, shape.name, engine.name, prompt)
    model = engine.model(shape.name)
    settings = {
        "--vocabulary": shape.vocabulary, "--prompt": prompt, "--new": NEW_TOKENS,
        "--repeats": REPEATS[prompt], "--threads": threads, "--seed": turn,
    }  # fmt: skip
    words = [str(word) for pair in settings.items() for word in pair]
    command = [*engine.command(), model, *words, "--started", str(time.monotonic())]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST, env=clean_environment(engine.variables())
        )
    except subprocess.TimeoutExpired:
        return failed.because(f"took longer than {LONGEST} s")
    lines = result.stderr.strip().splitlines()
    if result.returncode:
        return failed.because(lines[-1] if lines else f"exit status {result.returncode}")
    found = json.loads(result.stdout.strip().splitlines()[-1])
    rates = tuple(found["prompt"]), tuple(found["decode"])
    return Sample(turn, shape.name, engine.name, prompt, found["start"], *rates, found["peak_rss"])


def jobs(shapes: Iterable[Shape], engines: Sequence[Engine], prompts: Iterable[int]) -> list[Job]:
    """A round's measurements: for each shape and length engine after engine."""
    wanted = set(prompts)
    return [
        (shape, engine, prompt)
        for shape in shapes
        for prompt in shape.prompts
        if prompt in wanted
        for engine in engines
    ]


def alternate(run: Run, round_jobs: Sequence[Job], rounds: int, save: Path) -> None:
    """Measure the limits, a round, the limits, a round, … and the limits; save after each sample."""
    for turn in range(rounds):
        run.limits.append(measure_limits(run.threads))
        for shape, engine, prompt in round_jobs:
            read_into_cache(engine.model(shape.name))
            sample = measure((shape, engine, prompt), run.threads, turn)
            run.samples.append(sample)
            run.save(save)
            say(f"round {turn + 1}/{rounds}  {shape.name:14}{engine.title:38}{described(sample)}")
    run.limits.append(measure_limits(run.threads))
    run.save(save)


def described(sample: Sample) -> str:
    """A sample in one line."""
    if sample.error:
        return f"failed: {sample.error}"
    rates = f"pp{sample.prompt} {sample.prompt_rates[-1]:.1f}  tg@{sample.prompt} {sample.decode_rates[-1]:.1f}"
    return f"{rates}  start {sample.start:.2f} s  {sample.peak_rss / 1e6:.0f} MB"
