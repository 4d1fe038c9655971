"""The outcomes as Markdown: quality for each trained model, cost for each shape."""

from collections.abc import Iterator, Sequence

from baselines.harness import markdown as md
from baselines.quantization.checkpoints import SHAPES
from baselines.quantization.outcomes import Outcome, QuantizationRun
from baselines.quantization.quantizers import QUANTIZERS

TITLES = {"float": "float16 checkpoint"} | {tool.name: tool.title for tool in QUANTIZERS}
QUALITY = ("quantizer", "perplexity", "KL (nats)", "same top-1", "CPU-s a layer", "CPU-s", "wall, s", "RSS, MB", "MB")
SPEED = ("quantizer", "CPU-s a layer", "wall, s a layer", "CPU-s, 1st run", "peak RSS, MB")
ABSENT = "–"


def markdown(run: QuantizationRun) -> str:
    """Both parts, and how they were measured."""
    how = ", ".join(f"{name} {value}" for name, value in run.settings.items())
    parts = [f"Measured {run.when} on {run.machine}; {how}."]
    for model in dict.fromkeys(o.model for o in run.samples if o.part == "quality"):
        for head in (False, True):
            parts += quality(run.samples, model, head)
    for shape in SHAPES:
        parts += speed(run.samples, shape.name, shape.title)
    return "\n\n".join(parts) + "\n"


def quality(outcomes: Sequence[Outcome], model: str, head: bool) -> Iterator[str]:
    """The table of a trained model, with or without a quantized head, and what failed."""
    found = [o for o in outcomes if o.part == "quality" and o.model == model and (o.head == head or o.tool == "float")]
    found.sort(key=lambda o: list(TITLES).index(o.tool))
    if any(o.head == head and o.tool != "float" for o in found):
        yield f"### {model}, output projection {'quantized too' if head else 'left float16'}"
        yield md.table([QUALITY, *(quality_row(o) for o in found if not o.error)])
        yield from failures(found)


def quality_row(outcome: Outcome) -> list[str]:
    """A row of QUALITY; the time a layer is the quantization's, all layers and the head divided by the layers."""
    scores = [f"{outcome.perplexity:.3f}", f"{outcome.divergence:.5f}", f"{outcome.agreement:.1%}"]
    if outcome.tool == "float":
        return [TITLES["float"], *scores, *[ABSENT] * 5]
    costs = [f"{outcome.cpu / outcome.layers:.2f}", f"{outcome.process_cpu:.1f}", f"{outcome.wall:.1f}"]
    return [TITLES[outcome.tool], *scores, *costs, megabytes(outcome.peak_rss), megabytes(outcome.size)]


def speed(outcomes: Sequence[Outcome], shape: str, title: str) -> Iterator[str]:
    """The table of a shape, and what failed."""
    found = [o for o in outcomes if o.part == "speed" and o.model == shape]
    if found:
        yield f"### {title}"
        by_tool = {name: [o for o in found if o.tool == name and not o.error] for name in TITLES}
        yield md.table([SPEED, *(speed_row(name, runs) for name, runs in by_tool.items() if runs)])
        yield from failures(found)


def speed_row(tool: str, runs: Sequence[Outcome]) -> list[str]:
    """A row of SPEED: what each layer more costs the whole process, or of one run all that quantizing costs."""
    first, last = min(runs, key=lambda o: o.layers), max(runs, key=lambda o: o.layers)
    if more := last.layers - first.layers:
        each = [f"{(last.process_cpu - first.process_cpu) / more:.2f}", f"{(last.wall - first.wall) / more:.2f}"]
    else:
        each = [f"≤ {first.cpu / first.layers:.2f}", f"≤ {first.wall / first.layers:.2f}"]
    return [TITLES[tool], *each, f"{first.process_cpu:.1f}", megabytes(last.peak_rss)]


def failures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """A sentence for each tool that failed."""
    for outcome in outcomes:
        if outcome.error:
            yield f"{TITLES[outcome.tool]} failed: {outcome.error}"


def megabytes(size: int) -> str:
    """Bytes as MB."""
    return f"{size / 1e6:.1f}" if size < 100e6 else f"{size / 1e6:.0f}"
