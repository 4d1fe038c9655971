"""Compare TyLLM with llama.cpp, OpenVINO GenAI and ONNX Runtime GenAI in one alternating run: `python scripts/peers`.

What is missing (environments, checkpoints, conversions) is made under out/peers first; only our own package is compiled
anew each time. The raw samples go to out/peers/samples.json. A run over everything also refreshes docs/performance.md,
docs/performance.svg and docs/performance.json; --write-docs does so with any run.
"""

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

from chart import chart
from conversions import make_model
from document import refresh
from engines import ENGINES, Engine
from environments import make_environment
from limits import programs
from places import MADE, ROOT
from rounds import alternate, files, jobs
from samples import Run, Sample, metrics
from shapes import REPEATS, SHAPES, Shape
from steps import StepError, say
from table import markdown

from tyllm.cli.machine import this_machine

DOCS = ROOT / "docs"
CHART = "![Tokens per second of each engine](performance.svg)"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    names = [metric.name for metric in metrics(REPEATS)]
    parser = argparse.ArgumentParser(
        prog="scripts/peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=[shape.name for shape in SHAPES], help="these shapes only")
    parser.add_argument("--engines", nargs="+", choices=[engine.name for engine in ENGINES], help="these engines only")
    parser.add_argument("--only", nargs="+", choices=names, metavar="METRIC", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="worker threads of every engine")
    parser.add_argument("--make-only", action="store_true", help="make what is missing, measure nothing")
    parser.add_argument("--write-docs", action="store_true", help="refresh the documents even after a partial run")
    parser.add_argument("--render", type=Path, metavar="SAMPLES", help="only write the documents from these samples")
    return parser.parse_args(words)


def wanted_prompts(only: Sequence[str] | None) -> set[int]:
    """The prompt lengths that the named metrics need; start and size come with the shortest."""
    if not only:
        return set(REPEATS)
    shortest, memory = min(REPEATS), 512
    needed = {"start": shortest, "size": shortest, "rss": memory}
    return {needed.get(name) or int(name.lstrip("ptg@")) for name in only}


def make_all(run: Run, shapes: Sequence[Shape], engines: Sequence[Engine]) -> list[tuple[Shape, Engine]]:
    """Make environments and models; what failed becomes a sample that says so, the rest is returned."""
    made = []
    for engine in engines:
        for shape in shapes:
            try:
                if engine.environment:
                    make_environment(engine.environment)
                model = make_model(engine, shape)
            except StepError as failure:
                say(f"{engine.title}, {shape.title}: {failure}")
                run.samples.append(Sample(0, shape.name, engine.name, 0, error=str(failure)))
            else:
                run.sizes.setdefault(shape.name, {})[engine.name] = sum(path.stat().st_size for path in files(model))
                made.append((shape, engine))
    return made


def write_documents(run: Run) -> None:
    """Table, chart and raw samples."""
    refresh(DOCS / "performance.md", f"{CHART}\n\n{markdown(run)}")
    (DOCS / "performance.svg").write_text(chart(run), encoding="utf-8")
    run.save(DOCS / "performance.json")
    say("refreshed docs/performance.md, .svg and .json")


def main() -> int:
    """Make, measure, write."""
    given = arguments()
    if given.render:
        write_documents(Run.load(given.render))
        return 0
    shapes = [shape for shape in SHAPES if not given.models or shape.name in given.models]
    engines = [engine for engine in ENGINES if not given.engines or engine.name in given.engines]
    programs()  # no compiler, no run
    run = Run(datetime.date.today().isoformat(), this_machine().processor, given.threads)
    made = make_all(run, shapes, engines)
    if given.make_only:
        return 0
    prompts = wanted_prompts(given.only)
    round_jobs = [job for job in jobs(shapes, engines, prompts) if job[:2] in made]
    alternate(run, round_jobs, given.rounds, MADE / "samples.json")
    print(markdown(run))
    if given.write_docs or not (given.models or given.engines or given.only):
        write_documents(run)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StepError as failure:
        sys.exit(str(failure))
