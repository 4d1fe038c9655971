"""Compare TyLLM with llama.cpp, OpenVINO GenAI and ONNX Runtime GenAI in one alternating run.

What is missing (environments, checkpoints, conversions) is made under out/baselines first; only our own package is
compiled anew each time. The raw samples go to out/baselines/inference/samples.json. A run over everything also
refreshes docs/performance.md, docs/performance.svg and docs/performance.json; --write-docs does so with any run.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from baselines.harness.alternation import alternate, model_files
from baselines.harness.document import refresh
from baselines.harness.limits import build_probes
from baselines.harness.paths import MADE, ROOT
from baselines.harness.steps import StepError, say
from baselines.inference.chart import chart
from baselines.inference.conversions import make_engine, make_model
from baselines.inference.engines import ENGINES, Engine
from baselines.inference.rounds import described, jobs, measure
from baselines.inference.samples import InferenceRun, Sample, metrics
from baselines.inference.shapes import REPEATS, SHAPES, Shape
from baselines.inference.table import markdown

DOCS = ROOT / "docs"
CHART = "![Tokens per second of each engine](performance.svg)"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    names = [metric.name for metric in metrics(REPEATS)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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


def make_all(run: InferenceRun, shapes: Sequence[Shape], engines: Sequence[Engine]) -> list[tuple[Shape, Engine]]:
    """Make environments and models; what failed becomes a sample that says so, the rest is returned."""
    made = []
    for engine in engines:
        for shape in shapes:
            try:
                make_engine(engine)
                model = make_model(engine, shape)
            except StepError as failure:
                say(f"{engine.title}, {shape.title}: {failure}")
                run.samples.append(Sample(0, shape.name, engine.name, 0, error=str(failure)))
            else:
                run.sizes.setdefault(shape.name, {})[engine.name] = size_on_disk(model)
                made.append((shape, engine))
    return made


def size_on_disk(model: Path) -> int:
    """Bytes of a model's files."""
    return sum(path.stat().st_size for path in model_files(model))


def write_documents(run: InferenceRun) -> None:
    """Table, chart and raw samples."""
    refresh(DOCS / "performance.md", f"{CHART}\n\n{markdown(run)}")
    (DOCS / "performance.svg").write_text(chart(run), encoding="utf-8")
    run.save(DOCS / "performance.json")
    say("refreshed docs/performance.md, .svg and .json")


def main() -> int:
    """Make, measure, write."""
    given = arguments()
    if given.render:
        write_documents(InferenceRun.load(given.render))
        return 0
    shapes = [shape for shape in SHAPES if not given.models or shape.name in given.models]
    engines = [engine for engine in ENGINES if not given.engines or engine.name in given.engines]
    build_probes()  # no compiler, no run
    run = InferenceRun(threads=given.threads)
    made = make_all(run, shapes, engines)
    if given.make_only:
        return 0
    prompts = wanted_prompts(given.only)
    round_jobs = [job for job in jobs(shapes, engines, prompts) if (job.shape, job.engine) in made]
    alternate(
        run,
        round_jobs,
        given.rounds,
        MADE / "inference" / "samples.json",
        lambda job, turn: measure(job, run.threads, turn),
        described,
    )
    print(markdown(run))
    if given.write_docs or not (given.models or given.engines or given.only):
        write_documents(run)
    return 0
