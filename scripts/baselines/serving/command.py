"""Compare TyLLM with OpenVINO GenAI, llama.cpp and vLLM on many requests at once, in one alternating run.

A closed loop of 1, 8 and 16 streams ("throughput"), then parts that are TyLLM's alone: the time of a step of several
rows, running streams beside a long prompt, a prefix that two prompts share, one stream through LLM and Session, and
Session.score beside the reading of a prompt.

What is missing (environments, checkpoints, conversions) is made first, under out/baselines or in the folder that the
variable TYLLM_BASELINES names; only our own packages are compiled anew each time, unless --keep. The raw samples go to
serving/samples.json there. A run over everything also refreshes docs/serving.md and docs/serving.json; --write-docs
does so with any run.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from baselines.harness.alternation import alternate
from baselines.harness.document import SERVING, refresh
from baselines.harness.limits import build_probes
from baselines.harness.paths import MADE, ROOT
from baselines.harness.steps import StepError, say
from baselines.inference.conversions import CAPACITY
from baselines.inference.shapes import SHAPES, Shape
from baselines.serving.conversions import make_engine, make_model
from baselines.serving.engines import ENGINES, ServingEngine
from baselines.serving.rounds import Job, described, jobs, measure
from baselines.serving.samples import PARTS, THROUGHPUT, Sample, ServingRun, Workload
from baselines.serving.table import markdown

from tyllm import __version__

DOCS = ROOT / "docs"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    standard, parts = Workload(), (THROUGHPUT, *PARTS)
    parser.add_argument("--models", nargs="+", choices=[shape.name for shape in SHAPES], help="these shapes only")
    parser.add_argument("--engines", nargs="+", choices=[engine.name for engine in ENGINES], help="these engines only")
    parser.add_argument("--only", nargs="+", choices=parts, metavar="PART", help=f"of {', '.join(parts)}")
    parser.add_argument("--streams", type=int, nargs="+", default=standard.streams, help="requests at a time")
    parser.add_argument("--requests", type=int, default=standard.requests, help="of each stream, one after another")
    parser.add_argument("--prompt", type=int, default=standard.prompt, help="tokens of a prompt")
    parser.add_argument("--new", type=int, default=standard.new, help="tokens of a text")
    parser.add_argument("--long-prompt", type=int, default=standard.long_prompt, help="tokens of the long prompt")
    parser.add_argument("--prefix", type=int, default=standard.prefix, help="tokens that two prompts share")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="worker threads of every engine")
    parser.add_argument("--make-only", action="store_true", help="make what is missing, measure nothing")
    parser.add_argument("--keep", action="store_true", help="measure our packages as they were compiled before")
    parser.add_argument("--json", action="store_true", help="print the run as JSON, not as tables")
    parser.add_argument("--write-docs", action="store_true", help="refresh the documents even after a partial run")
    parser.add_argument("--render", type=Path, metavar="SAMPLES", help="only write the documents from these samples")
    given = parser.parse_args(words)
    given.workload = Workload(
        tuple(given.streams), given.requests, given.prompt, given.new, given.long_prompt, given.prefix
    )
    if problem := misfit(given.workload):
        parser.error(problem)
    return given


def misfit(workload: Workload) -> str:
    """Why a workload cannot be measured; empty where it can."""
    counts = (*workload.streams, workload.requests, workload.prompt, workload.long_prompt, workload.prefix)
    if min(counts) < 1 or workload.new < 2:
        return "every number has to be 1 or more, and --new 2 or more: the time between tokens needs two"
    longest = max(workload.prompt + workload.new, workload.long_prompt + 1, workload.prefix + workload.prompt + 1)
    return f"{longest} tokens do not fit into a cache of {CAPACITY}" if longest > CAPACITY else ""


def make_all(run: ServingRun, wanted: Sequence[Job], *, keep: bool) -> list[Job]:
    """Make environments and models; what failed becomes a sample that says so, the jobs of the rest are returned."""
    failed: set[tuple[Shape, ServingEngine]] = set()
    for shape, engine in dict.fromkeys((job.shape, job.engine) for job in wanted):
        try:
            make_engine(engine)
            make_model(engine, shape, keep=keep)
        except StepError as failure:
            say(f"{engine.title}, {shape.title}: {failure}")
            failed.add((shape, engine))
            parts = [job.part for job in wanted if (job.shape, job.engine) == (shape, engine)]
            run.samples += [Sample(0, shape.name, part, engine.name, error=str(failure)) for part in parts]
        else:
            run.versions[engine.name] = engine.version or f"TyLLM {__version__}"
    return [job for job in wanted if (job.shape, job.engine) not in failed]


def write_documents(run: ServingRun) -> None:
    """Tables and raw samples."""
    refresh(DOCS / "serving.md", markdown(run), SERVING)
    run.save(DOCS / "serving.json")
    say("refreshed docs/serving.md and docs/serving.json")


def main() -> int:
    """Make, measure, write."""
    given = arguments()
    if given.render:
        write_documents(ServingRun.load(given.render))
        return 0
    shapes = [shape for shape in SHAPES if not given.models or shape.name in given.models]
    engines = [engine for engine in ENGINES if not given.engines or engine.name in given.engines]
    build_probes()  # no compiler, no run
    run = ServingRun(threads=given.threads, workload=given.workload)
    wanted = make_all(run, jobs(shapes, engines, given.only or (THROUGHPUT, *PARTS)), keep=given.keep)
    if given.make_only:
        return 0
    alternate(
        run,
        wanted,
        given.rounds,
        MADE / "serving" / "samples.json",
        lambda job, turn: measure(job, run.workload, run.threads, turn),
        described,
        lambda job: bool(run.error(job.shape.name, job.part, job.engine.name)),
    )
    print(json.dumps(asdict(run), indent=1) if given.json else markdown(run))
    if given.write_docs or not (given.models or given.engines or given.only):
        write_documents(run)
    return 0
