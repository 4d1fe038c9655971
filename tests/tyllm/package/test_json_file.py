"""JSON that is missing, broken or no object gives a sentence."""

from typing import Annotated

import pytest
from msgspec import Meta

from tyllm.package.field_types import Record
from tyllm.package.json_file import checked, parsed, read_json, read_json_if_there, shown, write_json
from tyllm_base.errors import PackageError


def test_round_trip(tmp_path):
    write_json(tmp_path / "x.json", {"ü": [1]})
    assert read_json(tmp_path / "x.json") == {"ü": [1]}


def test_what_is_not_there(tmp_path):
    assert read_json_if_there(tmp_path / "x.json") == {}
    (tmp_path / "theirs.json").write_text('{"time_step_limit": [0.0, Infinity]}')
    assert read_json_if_there(tmp_path / "theirs.json") == {"time_step_limit": [0.0, float("inf")]}
    with pytest.raises(PackageError, match="Infinity is no number of JSON"):
        read_json(tmp_path / "theirs.json")
    with pytest.raises(PackageError, match=r"is missing|Cannot read|no such file"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "words"), [("{", "is not valid JSON"), ("[]", "holds a JSON list"), (b"\xff\xfe", "is not valid JSON")]
)
def test_what_is_wrong(tmp_path, text, words):
    (tmp_path / "x.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PackageError, match=words):
        read_json(tmp_path / "x.json")


class Inner(Record, frozen=True):
    """A bounded number."""

    size: Annotated[int, Meta(ge=0, le=9)] = 0


class Outer(Record, frozen=True):
    """Objects by number, and a list of them."""

    inner: dict[int, Inner]
    more: tuple[Inner, ...] = ()


def test_a_type_is_written_and_read(tmp_path):
    value = Outer({8: Inner(3)}, (Inner(),))
    write_json(tmp_path / "x.json", value)
    assert parsed((tmp_path / "x.json").read_bytes(), tmp_path / "x.json", Outer) == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"inner": {"8": {"size": 10}}, "more": []}, "Expected `int` <= 9 - at `$.inner[...].size`"),
        ({"inner": {"x": {"size": 1}}, "more": []}, "Expected `int`, got `str`"),
        ({"inner": {"8": {"size": 1.0}}, "more": []}, "Expected `int`, got `float`"),
        ({"inner": {"8": {"size": True}}, "more": []}, "Expected `int`, got `bool`"),
        ({"inner": {"8": {}}, "more": []}, "leaves out inner.8.size"),
        ({"inner": {}, "more": [{"size": 1}, {}]}, "leaves out more[1].size"),
        ({"inner": {}}, "leaves out more"),
        ({"inner": {}, "more": [], "\x1b[2J": 1}, "unknown field `\\x1b[2J`"),
    ],
)
def test_what_a_type_does_not_allow(tmp_path, value, words):
    with pytest.raises(PackageError) as refused:
        checked(value, tmp_path, Outer)
    assert words in str(refused.value)
    assert str(refused.value).isprintable()


def test_foreign_text_is_short_and_printable():
    assert shown("a\x1b[2Jü") == "a\\x1b[2Jü"
    assert shown("x" * 400) == "x" * 300 + "…"
