"""Bounds of fields: what lies outside is refused, also where a number would overflow or a name leave the folder."""

import msgspec
import pytest

from tyllm.package import field_types
from tyllm.package.field_types import IoEntry


def takes(kind, value) -> bool:
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("Die", [0, 63], [-1, 64, True, "0", 0.0]),
        ("DieCount", [1, 64], [0, 65, 2**31]),
        ("Bytes", [0, 1 << 46], [-1, 1 << 47, 2**70]),
        ("Offset", [0, 64], [32, -64, 2**70]),
        ("Shape", [[], [0], [1, 2, 3]], [[-1], [2**60], [1] * 9, 3]),
        ("Version", [4], [3, 5, 4.0, True]),
        ("Digest", ["0" * 64], ["0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n"]),
        ("Symbol", ["llm_body", "_a1"], ["", "1a", "a b", "a\n", "a" * 2000]),
        ("Text", ["", "Qwen/2.5 – ü"], ["\x1b[2J", "a\n", "\u202e", "a" * 257]),
        ("BufferName", ["x", "l_self.weight[0]"], ["", "a b", "\0", "a" * 2000]),
        (
            "FileName",
            ["a", "a/b.so", ".hidden", "..a", "a..", "a/..b", "ü.txt", "a b"],
            ["", "/a", "..", ".", "../a", "a/../b", "a/..", "a/./b", "a//b", "a/", "a\\b", "a\0", "a\n", "a" * 2000],
        ),
    ],
)
def test_bounds(kind, good, bad):
    found = getattr(field_types, kind)
    assert [value for value in good if not takes(found, value)] == []
    assert [value for value in bad if takes(found, value)] == []


def test_an_entry_knows_its_bytes():
    assert IoEntry(0, (2, 3), "float16").nbytes == 12
    assert not takes(IoEntry, {"offset": 0, "shape": [1], "dtype": "object"})
    assert not takes(IoEntry, {"offset": 0, "shape": [1], "dtype": "int8", "more": 1})
