"""The run as Markdown: for each shape throughput and waiting times of all engines, then our own parts."""

import textwrap

from baselines.harness import markdown as md
from baselines.harness.limits_table import limits_table
from baselines.harness.spread import Spread, digits
from baselines.inference.shapes import SHAPES, Shape
from baselines.serving.engines import ENGINES, OURS, ServingEngine
from baselines.serving.samples import PARTS, THROUGHPUT, ServingRun

ABSENT, FAILED = "–", "not run"
WIDTH = 140  # characters of a line
TIMES = {"first p50": "first token p50", "first p99": "p99", "gap p50": "between tokens p50", "gap p99": "p99"}
TITLES = {
    "steps": "Steps of several rows, {prompt} tokens before them; × 1 row: rows per second against a step of one row",
    "long-prompt": "A prompt of {long_prompt:,} tokens beside 4 streams; gap: ms between tokens of the streams",
    "prefix": "Prompts whose first {prefix:,} tokens are the same",
    "one-stream": "One request at a time, new tokens per second over prompt and text",
    "score": "A text of 512 tokens, scored and read as a prompt",
}


def markdown(run: ServingRun) -> str:
    """Everything between the markers of the document."""
    load = run.workload
    versions = ", ".join(run.versions.values())
    parts = [
        filled(f"Measured {run.when} on {run.machine}, {run.threads} threads; {versions}."),
        filled(
            f"Each stream sends {_counted(load.requests, 'request')}: {load.prompt} random tokens, "
            f"{load.new} new ones. {rounds_of(run)}"
        ),
        limits_table(run.limits),
    ]
    for shape in SHAPES:
        if any(sample.shape == shape.name for sample in run.samples):
            parts += [f"### {shape.title}", *load_tables(run, shape), *part_tables(run, shape), *failures(run, shape)]
    return "\n\n".join(parts) + "\n"


def rounds_of(run: ServingRun) -> str:
    """How many rounds each part was measured in."""
    turns = {part: {each.round for each in run.samples if each.part == part} for part in (THROUGHPUT, *PARTS)}
    told = ", ".join(f"{part} in {_counted(len(found), 'round')}" for part, found in turns.items() if found)
    return f"Measured: {told}." if told else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def filled(text: str) -> str:
    """Text in lines of a document's length."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def measured_engines(run: ServingRun, shape: Shape) -> list[ServingEngine]:
    """Those that the run has samples of under load, in the order of the table."""
    names = {sample.engine for sample in run.samples if (sample.shape, sample.part) == (shape.name, THROUGHPUT)}
    return [engine for engine in ENGINES if engine.name in names]


def load_tables(run: ServingRun, shape: Shape) -> list[str]:
    """New tokens per second by number of streams; then the waiting times."""
    engines, streams = measured_engines(run, shape), run.workload.streams
    if not engines:
        return []
    rows = [["new tokens per second", *(f"{count} stream{'s' * (count > 1)}" for count in streams)]]
    for engine in engines:
        gap = FAILED if run.error(shape.name, THROUGHPUT, engine.name) else ABSENT
        spreads = [load_spread(run, shape, engine, count, "rate") for count in streams]
        rows.append([engine.title, *(spread.text() if spread else gap for spread in spreads)])
    rows.append(["**TyLLM against the best of the others**", *(margin(run, shape, count) for count in streams)])
    return [md.table(rows), *times_table(run, shape, engines)]


def load_spread(run: ServingRun, shape: Shape, engine: ServingEngine, streams: int, column: str) -> Spread | None:
    """A figure of an engine under the load of so many streams."""
    return run.spread(shape.name, THROUGHPUT, engine.name, str(streams), column)


def margin(run: ServingRun, shape: Shape, streams: int) -> str:
    """Our median beside the best of the others, as a factor; above 1 ours is better."""
    rates = {engine: load_spread(run, shape, engine, streams, "rate") for engine in ENGINES}
    others = [spread.median for engine, spread in rates.items() if spread and not engine.is_ours]
    ours = rates[OURS]
    return f"**{ours.median / max(others):.2f}×**" if ours and others else ABSENT


def times_table(run: ServingRun, shape: Shape, engines: list[ServingEngine]) -> list[str]:
    """Medians over the rounds of the percentiles, in milliseconds, for each engine and number of streams, if any."""
    rows = [["milliseconds", *TIMES.values()]]
    for count in run.workload.streams:
        for engine in engines:
            spreads = [load_spread(run, shape, engine, count, column) for column in TIMES]
            if any(spreads):
                cells = [digits(spread.median) if spread else ABSENT for spread in spreads]
                rows.append([f"{engine.title}, {count}", *cells])
    return [md.table(rows)] if len(rows) > 1 else []


def part_tables(run: ServingRun, shape: Shape) -> list[str]:
    """The parts that are ours alone, each under its title."""
    found = []
    for part in PARTS:
        samples = [sample.rows for sample in run.of(shape.name, part, OURS.name) if sample.rows]
        if not samples:
            continue
        names = list(samples[0])
        columns = list(dict.fromkeys(column for row in samples[0].values() for column in row))
        rows = [["", *columns]]
        for name in names:
            spreads = [run.spread(shape.name, part, OURS.name, name, column) for column in columns]
            rows.append([name, *(text_of(spread) for spread in spreads)])
        load = run.workload
        title = TITLES[part].format(prompt=load.prompt, long_prompt=load.long_prompt, prefix=load.prefix)
        found += [filled(f"{title}:"), md.table(rows)]
    return found


def text_of(spread: Spread | None) -> str:
    """A figure of a part; a count of 0 is one without decimals."""
    return ABSENT if spread is None else "0" if spread.high == 0 else spread.text()


def failures(run: ServingRun, shape: Shape) -> list[str]:
    """A sentence for each engine and part that failed."""
    reasons = [
        (engine, part, run.error(shape.name, part, engine.name)) for engine in ENGINES for part in (THROUGHPUT, *PARTS)
    ]
    return [filled(f"{engine.title}, {part}, not run: {reason}") for engine, part, reason in reasons if reason]
