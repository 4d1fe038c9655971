"""The run as a drawing (SVG): a panel for each rate and shape, a bar for each engine, the range as a line on it."""

from collections.abc import Iterator
from html import escape

from baselines.harness.spread import Spread, digits
from baselines.inference.engines import Engine
from baselines.inference.samples import InferenceRun, Metric, metrics
from baselines.inference.shapes import SHAPES, Shape
from baselines.inference.table import measured_engines

WIDTH, NAMES, PANEL, BAR, GAP = 960, 250, 34, 16, 5  # pixels; a panel's heading is PANEL high
FIGURES = 70  # room to the right of the longest bar
OURS, OTHERS, INK, RANGE = "#0b6e4f", "#9aa5b1", "#1f2933", "#52606d"
FONT = "font-family='system-ui, sans-serif'"


def chart(run: InferenceRun) -> str:
    """The whole drawing."""
    parts, top = [], 8
    for shape in SHAPES:
        for metric in rates(shape):
            rows = list(bars(run, shape, metric))
            if rows:
                parts.append(panel(f"{shape.title} · {metric.name}, tokens/s", rows, top))
                top += PANEL + len(rows) * (BAR + GAP)
    background = f"<rect width='{WIDTH}' height='{top + 8}' fill='#ffffff'/>"
    size = f"width='{WIDTH}' height='{top + 8}' viewBox='0 0 {WIDTH} {top + 8}'"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT}>\n" + "\n".join([background, *parts]) + "\n</svg>\n"


def rates(shape: Shape) -> list[Metric]:
    """The metrics that are drawn: where more is better."""
    return [metric for metric in metrics(shape.prompts) if metric.more_is_better]


def bars(run: InferenceRun, shape: Shape, metric: Metric) -> Iterator[tuple[Engine, Spread]]:
    """The engines that have the metric."""
    for engine in measured_engines(run, shape):
        if spread := metric.spread(run, shape.name, engine.name):
            yield engine, spread


def panel(title: str, rows: list[tuple[Engine, Spread]], top: int) -> str:
    """A heading and its bars, to the scale of the greatest value."""
    scale = (WIDTH - NAMES - FIGURES) / max(spread.high for _, spread in rows)
    drawn = [text(8, top + 22, title, "font-size='14' font-weight='600'")]
    for index, (engine, spread) in enumerate(rows):
        drawn.append(bar(engine, spread, scale, top + PANEL + index * (BAR + GAP)))
    return "\n".join(drawn)


def bar(engine: Engine, spread: Spread, scale: float, top: int) -> str:
    """Name, bar, range and figure of one engine."""
    middle = top + BAR / 2
    low, high = NAMES + spread.low * scale, NAMES + spread.high * scale
    fill = OURS if engine.is_ours else OTHERS
    return "\n".join(
        [
            text(NAMES - 8, top + 12, engine.title, "font-size='12' text-anchor='end'"),
            f"<rect x='{NAMES}' y='{top}' width='{spread.median * scale:.1f}' height='{BAR}' fill='{fill}'/>",
            f"<line x1='{low:.1f}' x2='{high:.1f}' y1='{middle}' y2='{middle}' stroke='{RANGE}' stroke-width='2'/>",
            text(high + 6, top + 12, digits(spread.median), "font-size='12'"),
        ]
    )


def text(x: float, y: float, words: str, style: str) -> str:
    """Words at a place."""
    return f"<text x='{x:.1f}' y='{y:.1f}' fill='{INK}' {style}>{escape(words)}</text>"
