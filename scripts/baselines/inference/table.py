"""The run as Markdown: for each shape the figures, the shares of the machine's limits, and the limits themselves."""

from collections.abc import Sequence

from baselines.harness import markdown as md
from baselines.harness.limits import READ
from baselines.harness.limits_table import TITLES, limit_spreads, limits_table
from baselines.harness.spread import Spread
from baselines.inference.engines import ENGINES, Engine
from baselines.inference.samples import InferenceRun, Metric, metrics
from baselines.inference.shapes import SHAPES, Shape

HEADINGS = {"start": "start → first token, s", "rss": "peak RSS, MB", "size": "on disk, MB"}
ABSENT, FAILED = "–", "failed"


def markdown(run: InferenceRun) -> str:
    """Everything between the markers of the document."""
    parts = [f"Measured {run.when} on {run.machine}, {run.threads} threads.", limits_table(run.limits)]
    for shape in SHAPES:
        if any(sample.shape == shape.name for sample in run.samples):
            parts += [
                f"### {shape.title}",
                *figures_tables(run, shape),
                shares_table(run, shape),
                *failures(run, shape),
            ]
    return "\n\n".join(parts) + "\n"


def figures_tables(run: InferenceRun, shape: Shape) -> list[str]:
    """A table of prompt rates, one of decoding rates, one of start and sizes: in one they would be too wide."""
    columns = measured_metrics(run, shape)
    kinds = [[column for column in columns if column.kind == kind] for kind in ("pp", "tg")]
    kinds.append([column for column in columns if not column.more_is_better])
    return [figures_table(run, shape, kind) for kind in kinds if kind]


def figures_table(run: InferenceRun, shape: Shape, columns: Sequence[Metric]) -> str:
    """Median (least–greatest) of every engine; the last row sets TyLLM against the best of the others."""
    rows = [["engine", *(HEADINGS.get(column.name, column.name) for column in columns)]]
    failed = run.errors(shape.name)
    for engine in measured_engines(run, shape):
        spreads = [column.spread(run, shape.name, engine.name) for column in columns]
        gap = FAILED if engine.name in failed else ABSENT
        rows.append([engine.title, *(spread.text() if spread else gap for spread in spreads)])
    rows.append(["**TyLLM against the best of the others**", *(margin(run, shape, column) for column in columns)])
    return md.table(rows)


def shares_table(run: InferenceRun, shape: Shape) -> str:
    """Decoding as a share of reading the INT4 weights once, prompts as shares of the arithmetic."""
    limits, measured = limit_spreads(run.limits), measured_metrics(run, shape)
    columns = [(Metric("tg", 96), READ), *((Metric("pp", 512), kind) for kind in ("vpdpbusd", "amx_int8"))]
    columns = [(metric, kind) for metric, kind in columns if kind in limits and metric in measured]
    rows = [["share of the limit", *(f"{metric.name} of {TITLES[kind]}" for metric, kind in columns)]]
    for engine in measured_engines(run, shape):
        spreads = [(metric.spread(run, shape.name, engine.name), kind) for metric, kind in columns]
        rows.append([engine.title, *(share(spread, work(shape, kind), limits[kind]) for spread, kind in spreads)])
    return md.table(rows)


def failures(run: InferenceRun, shape: Shape) -> list[str]:
    """A sentence for each engine that failed."""
    titles = {engine.name: engine.title for engine in ENGINES}
    return [f"{titles.get(name, name)} failed: {error}" for name, error in run.errors(shape.name).items()]


def measured_engines(run: InferenceRun, shape: Shape) -> list[Engine]:
    """Those that the run has samples of, in the order of the table."""
    names = {sample.engine for sample in run.samples if sample.shape == shape.name}
    return [engine for engine in ENGINES if engine.name in names]


def measured_metrics(run: InferenceRun, shape: Shape) -> list[Metric]:
    """The metrics that some engine has a figure for."""
    names = [engine.name for engine in measured_engines(run, shape)]
    return [metric for metric in metrics(shape.prompts) if any(metric.spread(run, shape.name, name) for name in names)]


def work(shape: Shape, kind: str) -> float:
    """Work of a token: bytes to read, or operations."""
    return shape.bytes_per_token() if kind == READ else shape.operations_per_token()


def margin(run: InferenceRun, shape: Shape, metric: Metric) -> str:
    """Our median beside the best of the others, as a factor; above 1 ours is better."""
    ours: list[float] = []
    others: list[float] = []
    for engine in measured_engines(run, shape):
        if spread := metric.spread(run, shape.name, engine.name):
            (ours if engine.is_ours else others).append(spread.median)
    if not ours or not others:
        return ABSENT
    return f"**{ours[0] / max(others) if metric.more_is_better else min(others) / ours[0]:.2f}×**"


def share(rate: Spread | None, each: float, limit: Spread) -> str:
    """Median rate × the work of each token, of the limit's median."""
    return f"{rate.median * each / limit.median:.0%}" if rate else ABSENT
