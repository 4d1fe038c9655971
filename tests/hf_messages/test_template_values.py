"""Plain values reach a template as they are, objects as dictionaries, and functions not at all."""

import enum
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from hf_messages.template_task import Values
from hf_messages.template_values import PLAIN_CLASSES, packed
from tyllm_base.errors import GenerationError


class Role(str, enum.Enum):  # noqa: UP042 (as user code has it)
    """As user code has it."""

    USER = "user"


@dataclass
class Tool:
    """An object of the user's."""

    name: str
    _secret: int = 1


class Pydantic:
    """As a model of pydantic's or of an API's client."""

    def model_dump(self):
        return {"role": "user", "parts": (1, Tool("x"))}


Point = namedtuple("Point", "x y")


def arrived(value):
    return Values(packed(value), frozenset(PLAIN_CLASSES)).load()


def kind(value: object) -> str:
    """A test's name that does not hold an address: every process must find the same ones."""
    return getattr(value, "__name__", type(value).__name__)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -(2**70),
        2.5,
        float("inf"),
        1j,
        "ä🙂\ud800\0",
        b"x",
        bytearray(b"x"),
        [1, [2]],
        (1, (2,)),
        {1: {2: 3}},
        {1, 2},
        frozenset([1]),
        range(3),
        slice(1, 2),
        date(2026, 1, 2),
        datetime(2026, 1, 2, 3, tzinfo=UTC),
        timedelta(1),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2), "CEST")),
        Decimal("1.50"),
        Fraction(1, 3),
        UUID(int=3),
    ],
    ids=repr,
)
def test_plain_values_arrive_as_they_are(value):
    found = arrived([value])[0]
    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=Tool("x")), {"a": {"name": "x"}}),
        (Tool("x"), {"name": "x"}),
        (Pydantic(), {"role": "user", "parts": (1, {"name": "x"})}),
        (SimpleNamespace(a=1, _b=2), {"a": 1}),
        (Role.USER, "user"),
        (Point(1, 2), [1, 2]),
        (iter([1, 2]), [1, 2]),
        ({1: 2}.keys(), [1]),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (np.arange(3), [0, 1, 2]),
    ],
    ids=kind,
)
def test_other_values_become_plain(value, expected):
    found = arrived({"value": value})["value"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "value", [len, lambda: 1, Tool, dict, open, object(), ZoneInfo("UTC"), np, type, Exception], ids=kind
)
def test_what_no_template_gets(value):
    if value is dict:
        assert arrived(dict) is dict  # the class of plain values by its name: no harm
        return
    with pytest.raises(GenerationError, match=r"The chat holds .*, which a chat template cannot use; give text"):
        packed({"messages": [{"role": "user", "content": value}]})


def test_values_that_cannot_be_read():
    class Broken:
        def model_dump(self):
            raise KeyError("gone")

    with pytest.raises(GenerationError, match=r"cannot be read \(KeyError: 'gone'\)"):
        packed(Broken())
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(GenerationError, match="nested too deep"):
        packed(deep)


def test_a_list_within_itself_arrives():
    value = [1]
    value.append(value)
    found = arrived(value)
    assert found[1] is found
