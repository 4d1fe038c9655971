"""The results of a benchmark as a Markdown table, as CSV, or as one JSON document."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from tyllm.bench.run import Row
from tyllm.cli.quantities import byte_size
from tyllm.runtime.execute.limits import LIMITS

HEADS = ("package", "size", "dies", "threads", "test", "tokens/s", "share of limit")


def markdown(rows: Sequence[Row]) -> str:
    """One table, its columns aligned, and below it the limits."""
    cells = [HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    is_number = [head in ("size", "dies", "threads", "tokens/s", "share of limit") for head in HEADS]
    rule = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, is_number, strict=True)]
    lines = [
        "| " + " | ".join(_aligned(*cell) for cell in zip(line, widths, is_number, strict=True)) + " |"
        for line in (cells[0], rule, *cells[1:])
    ]
    return "\n".join([*lines, "", *limit_lines(rows)])


def _cells(row: Row) -> tuple[str, ...]:
    subject, rates = row.subject, row.rates
    tokens = f"{rates.mean:.2f} ± {rates.deviation:.2f}"
    share = "–" if row.share is None else str(row.share)
    return (
        str(subject.package),
        byte_size(subject.nbytes),
        str(subject.dies),
        str(subject.threads),
        str(row.trial),
        tokens,
        share,
    )


def _aligned(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def limit_lines(rows: Sequence[Row]) -> list[str]:
    """The limits of each target and number of threads, as sentences."""
    seen = {(row.subject.target, row.subject.threads): row.subject.limits for row in rows}
    return [
        f"Limits of {target}, threads: {threads}; "
        + ", ".join(f"{name} {value / 1e9:.1f} G{LIMITS[name]}" for name, value in limits.items())
        for (target, threads), limits in seen.items()
    ]


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """{results: […], limits: […]}, rates in tokens per second, limits in bytes or operations per second."""
    limits = {(row.subject.target, row.subject.threads): row.subject.limits for row in rows}
    return {
        "results": [_flat(row) | {"samples": list(row.rates.samples)} for row in rows],
        "limits": [{"target": target, "threads": threads, **values} for (target, threads), values in limits.items()],
    }


def as_csv(rows: Sequence[Row]) -> str:
    """One line a result, with every limit in a column of its own."""
    text = io.StringIO()
    flat = [_flat(row) | {f"limit_{name}": row.subject.limits.get(name) for name in LIMITS} for row in rows]
    writer = csv.DictWriter(text, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue().rstrip("\n")


def _flat(row: Row) -> dict[str, Any]:
    subject, trial, share = row.subject, row.trial, row.share
    return {
        "package": str(subject.package),
        "bytes": subject.nbytes,
        "dies": subject.dies,
        "threads": subject.threads,
        "target": subject.target,
        "test": str(trial),
        "kind": trial.kind,
        "tokens": trial.count,
        "depth": trial.depth,
        "tokens_per_second": row.rates.mean,
        "deviation": row.rates.deviation,
        "share": share.fraction if share else None,
        "share_of": share.of if share else None,
    }
