"""A command's result: one JSON document on stdout, or text for a person."""

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tyllm_base.printable import json_text

if TYPE_CHECKING:
    from rich.console import Console


def print_result(result: Mapping[str, Any], as_json: bool, draw: Callable[["Console"], None]) -> None:
    """Print `result` as JSON, or let `draw` print it for a person."""
    if as_json:
        sys.stdout.write(json_text(result, indent=2) + "\n")
        return
    from tyllm.cli.plain_console import plain_console

    draw(plain_console())
