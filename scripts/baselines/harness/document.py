"""Replaces the part of a document between the two markers of a command, such as make bench."""

from pathlib import Path

BENCH, VISION, SERVING = "make bench", "make bench-vision", "make bench-serving"


def markers(command: str) -> tuple[str, str]:
    """Where the part begins that a command writes, and where it ends."""
    return f"<!-- {command}: begin -->", f"<!-- {command}: end -->"


def replaced(text: str, part: str, command: str = BENCH) -> str:
    """`text` with `part` between the markers; raises `ValueError` unless each stands there once, in order."""
    first, last = markers(command)
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end or text.count(first) > 1 or text.count(last) > 1:
        raise ValueError(f"The document needs {first} and, after it, {last}, once each.")
    return f"{before}{begin}\n\n{part.strip()}\n\n{end}{after}"


def refresh(path: Path, part: str, command: str = BENCH) -> None:
    """Replace the part in a file."""
    path.write_text(replaced(path.read_text(encoding="utf-8"), part, command), encoding="utf-8")
