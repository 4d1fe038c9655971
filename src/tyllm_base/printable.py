"""Text of others, such as names and messages from files, as a terminal may be given it: without control characters."""

from __future__ import annotations

import json
from typing import Any, TextIO

_C0_C1 = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"]
_BIDI = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]  # they reorder what stands around them
_LINES = [0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029]
_CONTROLS = {code: f"\\x{code:02x}" for code in _C0_C1}
_MISLEADING = _CONTROLS | {code: f"\\u{code:04x}" for code in _BIDI}
_BREAKING = _MISLEADING | {code: f"\\u{code:04x}" for code in _LINES if code > 0xFF} | {0x0A: "\\n"}
_JSON = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_BIDI)}


def printable(text: str) -> str:
    """`text` with control characters (but line feeds and tabs) and bidirectional overrides as escapes."""
    return text.translate(_MISLEADING)


def one_line(text: str) -> str:
    """As `printable`, and no line feeds either: a sentence takes one line whatever names stand in it."""
    return text.translate(_BREAKING)


def model_text(text: str, stream: TextIO) -> str:
    """Text that a model has made, as it is written to `stream`: without control characters where that is a terminal.

    Scripts, emoji and marks of direction stay as they are; into a pipe or a file everything does.
    """
    return text.translate(_CONTROLS) if stream.isatty() else text


def json_text(value: Any, indent: int | None = None) -> str:
    """`value` as JSON whose strings hold no control character; readers of JSON see the same value."""
    return json.dumps(value, ensure_ascii=False, indent=indent).translate(_JSON)
