"""Replaces the part of a document between two markers."""

from pathlib import Path

BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def replaced(text: str, part: str) -> str:
    """`text` with `part` between the markers; raises `ValueError` unless each stands there once, in order."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or text.count(BEGIN) > 1 or text.count(END) > 1:
        raise ValueError(f"The document needs {BEGIN} and, after it, {END}, once each.")
    return f"{before}{begin}\n\n{part.strip()}\n\n{end}{after}"


def refresh(path: Path, part: str) -> None:
    """Replace the part in a file."""
    path.write_text(replaced(path.read_text(encoding="utf-8"), part), encoding="utf-8")
