"""What the value of an option may be; each check gives the plain value, or names the option, the value and the cure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from tyllm_base.errors import GenerationError

Check = Callable[[str, Any], Any]
"""Of an option's name and its value, the value in its plain form; raises `GenerationError`."""


def refusal(name: str, value: object, expected: str) -> GenerationError:
    """The error for a value that cannot work."""
    return GenerationError(f"{name} is {shown(value)}, it must be {expected}.")


def shown(value: object) -> str:
    """A value for a message, at most 60 characters of it."""
    try:
        return f"{value!r:.60}"
    except Exception:  # the representation is the caller's own code, or a number of too many digits
        return f"a value of type {type(value).__name__}"


@dataclass(frozen=True)
class WholeNumber:
    """A whole number of at least `least`; None too where `optional`."""

    least: int
    expected: str
    optional: bool = False

    def __call__(self, name: str, value: Any) -> int | None:
        """The number as an int; raises `GenerationError`."""
        if value is None and self.optional:
            return None
        if not is_whole(value) or value < self.least:
            raise refusal(name, value, self.expected)
        return int(value)


@dataclass(frozen=True)
class Number:
    """A finite number for which `accepts` is true; None too where `optional`."""

    accepts: Callable[[float], bool]
    expected: str
    optional: bool = False

    def __call__(self, name: str, value: Any) -> float | None:
        """The number as a float; raises `GenerationError`."""
        if value is None and self.optional:
            return None
        found = as_number(value)
        if found is None or not self.accepts(found):
            raise refusal(name, value, self.expected)
        return found


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise refusal(name, value, "True or False")
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """A text or several, none of them empty; () for None."""
    found = (value,) if isinstance(value, str) else listed(name, value, "a text or a list of texts")
    if not all(isinstance(each, str) for each in found):
        raise refusal(name, value, "a text or a list of texts")
    if "" in found:
        raise GenerationError(f"A text of {name} is empty; leave it out or give it a character.")
    return found


def listed(name: str, value: Any, expected: str) -> tuple[Any, ...]:
    """What a list, a tuple, a set or an array of one dimension holds; () for None."""
    if value is None:
        return ()
    if isinstance(value, str | bytes | bytearray | memoryview | Mapping) or not isinstance(value, Iterable):
        raise refusal(name, value, expected)
    if not hasattr(value, "__len__") or getattr(value, "ndim", 1) != 1:
        raise refusal(name, value, expected)
    return tuple(value)


def is_whole(value: object) -> bool:
    """Whether it is a whole number by its type, of Python or NumPy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def as_number(value: object) -> float | None:
    """A number of Python or NumPy as a float; None for anything else, NaN and what no float holds."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
