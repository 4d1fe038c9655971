"""The table of a run over vision towers."""

from baselines.harness import markdown as md
from baselines.harness.limits_table import limits_table
from baselines.harness.spread import Spread
from baselines.vision_tower.engines import ENGINES, TowerEngine
from baselines.vision_tower.rounds import TowerRun, fastest

NEAR = 0.99  # cosine below which a program does not compute this tower, and is not compared
HEAD = [
    "program",
    "s an image",
    "start → first image, s",
    "peak RSS, MB",
    "cosine",
    "worst row",
    "× TyLLM's time",
]


def markdown(run: TowerRun) -> str:
    """Tower and machine, the machine's limits, a row for each program, the comparisons."""
    rows, columns = run.grid
    what = f"{run.tower}, {rows} × {columns} = {rows * columns} patches, {run.threads} threads"
    measured = [engine for engine in ENGINES if any(sample.engine == engine.name for sample in run.samples)]
    table = md.table([HEAD, *(row(run, engine) for engine in measured)])
    parts = [f"{what}. {run.when}, {run.machine}.", limits_table(run.limits), table, *comparisons(run)]
    return "\n\n".join(parts) + "\n"


def row(run: TowerRun, engine: TowerEngine) -> list[str]:
    """Median (least–greatest) of a program."""
    samples = run.of(engine.name)
    if not samples:
        return [engine.title, "failed", *["–"] * (len(HEAD) - 2)]
    values = [
        [sample.time for sample in samples],
        [sample.start for sample in samples],
        [sample.peak_rss / 1e6 for sample in samples],
    ]
    spreads = [spread for spread in map(Spread.of, values) if spread]
    ours = fastest(run, [each for each in ENGINES if each.is_ours])
    times = "–" if ours is None or engine.is_ours else f"{spreads[0].median / ours[1]:.2f}"
    cosines = [f"{min(sample.cosine for sample in samples):.6f}", f"{min(s.worst_cosine for s in samples):.6f}"]
    return [engine.title, *(spread.text() for spread in spreads), *cosines, times]


def comparisons(run: TowerRun) -> list[str]:
    """TyLLM against the fastest that compute the tower in 16 or 32 bits, and against the fastest that rounds to 8."""
    ours = fastest(run, [engine for engine in ENGINES if engine.is_ours])
    if ours is None:
        return []
    found = []
    for int8, kind in ((False, "of the others"), (True, "that rounds weights and activations to 8 bits")):
        engines = [each for each in ENGINES if not each.is_ours and each.int8 == int8 and is_right(run, each)]
        best = fastest(run, engines)
        if best:
            ratio = f"{best[1] / ours[1]:.2f}×"
            found.append(f"Against the fastest {kind}, {best[0].title} ({best[1]:.3f} s), TyLLM is {ratio} as fast.")
    return found + [f"{sample.engine} failed: {sample.error}" for sample in run.samples if sample.error]


def is_right(run: TowerRun, engine: TowerEngine) -> bool:
    """Whether all that a program gave is near Hugging Face's."""
    return all(sample.cosine >= NEAR for sample in run.of(engine.name))
