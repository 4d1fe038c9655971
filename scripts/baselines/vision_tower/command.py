"""Compare the vision towers of TyLLM, OpenVINO, ONNX Runtime and PyTorch.

The same random weights, the same patches of one image, the same machine, in one alternating run. What is missing
(environments, checkpoint, conversions) is made under out/baselines first; only our own package is compiled anew each
time. Every program's embeddings are compared with Hugging Face's in float32, and one that computes something else does
not count. The raw samples and the table go to out/baselines/vision_tower/TOWER-GRID/samples.json and table.md;
--write-docs also puts the table into docs/performance.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from baselines.harness.alternation import alternate
from baselines.harness.document import VISION, refresh
from baselines.harness.environments import make_environment
from baselines.harness.limits import build_probes
from baselines.harness.paths import ROOT
from baselines.harness.steps import StepError, say
from baselines.vision_tower.conversions import Subject, make_tower
from baselines.vision_tower.engines import ENGINES, TowerEngine
from baselines.vision_tower.rounds import Job, TowerRun, TowerSample, described, is_far, measure
from baselines.vision_tower.table import markdown


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="Qwen2.5-VL-7B-Instruct", help="a vision-language model of models/configs")
    parser.add_argument("--grid", type=int, nargs=2, default=(38, 68), metavar="N", help="rows and columns of patches")
    parser.add_argument("--depth", type=int, help="layers of the tower, for a quick look")
    parser.add_argument("--engines", nargs="+", choices=[engine.name for engine in ENGINES], help="these only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="worker threads of every program")
    parser.add_argument("--make-only", action="store_true", help="make what is missing, measure nothing")
    parser.add_argument("--keep", action="store_true", help="measure our package as it was compiled before")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args(words)


def wanted_engines(names: Sequence[str] | None) -> list[TowerEngine]:
    """Those of the given names, or all but those that start slowly."""
    return [engine for engine in ENGINES if (engine.name in names if names else not engine.on_demand)]


def make_all(run: TowerRun, subject: Subject, engines: Sequence[TowerEngine], *, keep: bool) -> dict[TowerEngine, Path]:
    """Make environments and models; what failed becomes a sample that says so, the rest is returned."""
    made = {}
    for engine in engines:
        try:
            make_environment(engine.environment)
            made[engine] = make_tower(engine, subject, keep=keep)
        except StepError as failure:
            say(f"{engine.title}: {failure}")
            run.samples.append(TowerSample(0, engine.name, error=str(failure)))
    return made


def main() -> int:
    """Make, measure, write."""
    given = arguments()
    engines = wanted_engines(given.engines)
    build_probes()  # no compiler, no run
    subject = Subject(given.config, tuple(given.grid), given.depth)
    run = TowerRun(tower=subject.tower, grid=subject.grid, threads=given.threads)
    data = subject.data()
    models = make_all(run, subject, engines, keep=given.keep)
    if given.make_only:
        return 0
    folder = subject.folder
    alternate(
        run, [Job(engine, model, data) for engine, model in models.items()], given.rounds, folder / "samples.json",
        lambda job, turn: measure(job, run.threads, turn), described, lambda job: is_far(run, job.engine, models),
    )  # fmt: skip
    (folder / "table.md").write_text(markdown(run), encoding="utf-8")
    if given.write_docs:
        refresh(ROOT / "docs" / "performance.md", markdown(run), VISION)
    print(markdown(run))
    return 0
