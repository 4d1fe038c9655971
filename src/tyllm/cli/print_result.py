"""A command's result: one JSON document on stdout, or text for a person."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def print_result(result: Mapping[str, Any], as_json: bool, draw: Callable[["Console"], None]) -> None:
    """Print `result` as JSON, or let `draw` print it for a person."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) + "\n")
        return
    from rich.console import Console

    draw(Console(soft_wrap=True, highlight=False))
