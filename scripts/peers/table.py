"""The run as Markdown: for each shape the figures, the shares of the machine's limits, and the limits themselves."""

from collections.abc import Iterable, Sequence

from engines import ENGINES, Engine
from limits import ARITHMETIC, READ
from samples import Metric, Run, Spread, metrics
from shapes import SHAPES, Shape

HEADINGS = {"start": "start → first token, s", "rss": "peak RSS, MB", "size": "on disk, MB"}
LIMITS = {READ: "reading memory"} | ARITHMETIC
ABSENT, FAILED = "–", "failed"


def markdown(run: Run) -> str:
    """Everything between the markers of the document."""
    parts = [f"Measured {run.when} on {run.machine}, {run.threads} threads.", limits_table(run)]
    for shape in SHAPES:
        if any(sample.shape == shape.name for sample in run.samples):
            parts += [f"### {shape.title}", figures_table(run, shape), shares_table(run, shape), *failures(run, shape)]
    return "\n\n".join(parts) + "\n"


def figures_table(run: Run, shape: Shape) -> str:
    """Median (least–greatest) of every engine; the last row sets TyLLM against the best of the others."""
    columns = measured_metrics(run, shape)
    rows = [["engine", *(HEADINGS.get(column.name, column.name) for column in columns)]]
    failed = run.errors(shape.name)
    for engine in measured_engines(run, shape):
        spreads = [column.spread(run, shape.name, engine.name) for column in columns]
        gap = FAILED if engine.name in failed else ABSENT
        rows.append([engine.title, *(cell(spread) if spread else gap for spread in spreads)])
    rows.append(["**TyLLM against the best of the others**", *(margin(run, shape, column) for column in columns)])
    return lines(rows)


def shares_table(run: Run, shape: Shape) -> str:
    """Decoding as a share of reading the INT4 weights once, prompts as shares of the arithmetic."""
    limits, measured = limit_spreads(run), measured_metrics(run, shape)
    columns = [(Metric("tg", 96), READ), *((Metric("pp", 512), kind) for kind in ("vpdpbusd", "amx_int8"))]
    columns = [(metric, kind) for metric, kind in columns if kind in limits and metric in measured]
    rows = [["share of the limit", *(f"{metric.name} of {LIMITS[kind]}" for metric, kind in columns)]]
    for engine in measured_engines(run, shape):
        spreads = [(metric.spread(run, shape.name, engine.name), kind) for metric, kind in columns]
        rows.append([engine.title, *(share(spread, work(shape, kind), limits[kind]) for spread, kind in spreads)])
    return lines(rows)


def limits_table(run: Run) -> str:
    """What the machine reached between the rounds."""
    rows = [["limit of the machine", "median (least–greatest)"]]
    for kind, spread in limit_spreads(run).items():
        unit = "GB/s" if kind == READ else "Gop/s"
        scaled = Spread(spread.median / 1e9, spread.low / 1e9, spread.high / 1e9)
        rows.append([LIMITS[kind], f"{cell(scaled)} {unit}"])
    return lines(rows)


def failures(run: Run, shape: Shape) -> list[str]:
    """A sentence for each engine that failed."""
    titles = {engine.name: engine.title for engine in ENGINES}
    return [f"{titles.get(name, name)} failed: {error}" for name, error in run.errors(shape.name).items()]


def measured_engines(run: Run, shape: Shape) -> list[Engine]:
    """Those that the run has samples of, in the order of the table."""
    names = {sample.engine for sample in run.samples if sample.shape == shape.name}
    return [engine for engine in ENGINES if engine.name in names]


def measured_metrics(run: Run, shape: Shape) -> list[Metric]:
    """The metrics that some engine has a figure for."""
    names = [engine.name for engine in measured_engines(run, shape)]
    return [metric for metric in metrics(shape.prompts) if any(metric.spread(run, shape.name, name) for name in names)]


def work(shape: Shape, kind: str) -> float:
    """What a token takes: bytes to read, or operations."""
    return shape.bytes_per_token() if kind == READ else shape.operations_per_token()


def limit_spreads(run: Run) -> dict[str, Spread]:
    """Spread of each limit over the times when it was measured."""
    kinds = dict.fromkeys(kind for measured in run.limits for kind in measured)
    spreads = {kind: Spread.of(measured[kind] for measured in run.limits if kind in measured) for kind in kinds}
    return {kind: spread for kind, spread in spreads.items() if spread}


def margin(run: Run, shape: Shape, metric: Metric) -> str:
    """How many times better our median is than the best of the others."""
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


def cell(spread: Spread) -> str:
    """Median and range, or the one value."""
    if spread.low == spread.high:
        return digits(spread.median)
    return f"{digits(spread.median)} ({digits(spread.low)}–{digits(spread.high)})"


def digits(value: float) -> str:
    """Three digits that count, no exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def lines(rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first row is the heading."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    rule = "|" + "---|" * (head.count("|") - 1)
    return "\n".join([head, rule, *body])
