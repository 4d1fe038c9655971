"""The errors that quantizing has made, by layer, as a JSON, Markdown or SVG file."""

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import typer

from tyllm_base.atomic_files import atomic_file, make_folder

WIDTH, NAMES, FIGURES, BAR, GAP, PANEL = 960, 330, 80, 12, 4, 36  # pixels; a panel's heading is PANEL high
LINEAR, LAYER, INK = "#0b6e4f", "#9aa5b1", "#1f2933"
FONT = "font-family='system-ui, sans-serif'"

Document = Mapping[str, Any]


def check_suffix(path: Path | None) -> Path | None:
    """`path`, if a report can be written there; raises `BadParameter`."""
    if path is not None and path.suffix not in WRITERS:
        raise typer.BadParameter(f"{path} is no {', '.join(WRITERS)} file; choose one of these endings")
    return path


def write_report(path: Path, report: Document) -> None:
    """Write the document of a `QuantizationReport` in the form that the ending of `path` asks for.

    Raises:
        OutputError: the file cannot be written.
    """
    make_folder(path.parent)
    with atomic_file(path) as temporary:
        temporary.write_text(WRITERS[path.suffix](report), encoding="utf-8")


def as_json(report: Document) -> str:
    """The document itself."""
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def as_markdown(report: Document) -> str:
    """A table of linear layers, largest error first, and one of decoder layers in order."""
    lines = [*_linears(report["linears"]), "", f"A linear layer's error is a share of its {report['measure']}."]
    if vision := report.get("vision"):
        lines += ["", *_linears(vision), "", "In the vision tower it is a share of its weights."]
    if report["layers"]:
        lines += ["", "| decoder layer | relative squared error of the stream behind it |", "|--:|--:|"]
        lines += [f"| {index} | {error:.3e} |" for index, error in enumerate(report["layers"])]
    return "\n".join(lines) + "\n"


def _linears(linears: list[dict[str, Any]]) -> list[str]:
    """A table, largest error first."""
    lines = ["| linear layer | bits | weights | relative squared error |", "|---|--:|--:|--:|"]
    return lines + [
        f"| {each['name']} | {each['bits']} | {each['weights']:,} | {each['error']:.3e} |"
        for each in sorted(linears, key=lambda linear: -linear["error"])
    ]


def as_svg(report: Document) -> str:
    """A bar for each decoder layer and for each linear layer, in the model's order."""
    top, parts = 8, []
    for title, fill, rows in _panels(report):
        parts += list(_panel(title, fill, rows, top))
        top += PANEL + len(rows) * (BAR + GAP)
    height = top + 8
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'"
    return "\n".join(
        [f"{head} {FONT}>", f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>", *parts, "</svg>\n"]
    )


def _panels(report: Document) -> Iterator[tuple[str, str, list[tuple[str, float]]]]:
    """Title, color, and names with errors; no panel without any."""
    if report["layers"]:
        rows = [(f"layer {index}", error) for index, error in enumerate(report["layers"])]
        yield "Relative squared error of the stream behind each decoder layer", LAYER, rows
    if report["linears"]:
        rows = [(f"{each['name']} ({each['bits']})", each["error"]) for each in report["linears"]]
        yield f"Relative squared error of each linear layer's {report['measure']} (bits)", LINEAR, rows


def _panel(title: str, fill: str, rows: list[tuple[str, float]], top: int) -> Iterator[str]:
    """A heading and its bars, to the scale of the largest."""
    scale = (WIDTH - NAMES - FIGURES) / (max(error for _, error in rows) or 1.0)
    yield _text(8, top + 22, title, "font-size='14' font-weight='600'")
    for index, (name, error) in enumerate(rows):
        y = top + PANEL + index * (BAR + GAP)
        yield _text(NAMES - 8, y + 10, name, "font-size='11' text-anchor='end'")
        yield f"<rect x='{NAMES}' y='{y}' width='{error * scale:.1f}' height='{BAR}' fill='{fill}'/>"
        yield _text(NAMES + error * scale + 6, y + 10, f"{error:.2e}", "font-size='11'")


def _text(x: float, y: float, words: str, style: str) -> str:
    return f"<text x='{x:.1f}' y='{y}' fill='{INK}' {style}>{escape(words)}</text>"


WRITERS: dict[str, Callable[[Document], str]] = {".json": as_json, ".md": as_markdown, ".svg": as_svg}
