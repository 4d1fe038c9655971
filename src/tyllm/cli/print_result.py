"""A command's result: one JSON document on stdout, or text for a person."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def emit(result: Mapping[str, Any], as_json: bool, draw: Callable[["Console"], None]) -> None:
    """Print `result` as JSON, or let `draw` print it for a person."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) + "\n")
        return
    from rich.console import Console

    draw(Console(soft_wrap=True, highlight=False))


def size(count: float) -> str:
    """A number of bytes in the unit that reads best: 1536 → '1.5 KiB'."""
    power = 0
    while count >= 1024 and power < len(UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.0f} {UNITS[power]}" if power == 0 else f"{count:.1f} {UNITS[power]}"


def counted(count: int, noun: str) -> str:
    """A number with its noun: '1 die', '2 dies'."""
    return f"{count} {noun}{'s' * (count != 1)}"


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder and below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
