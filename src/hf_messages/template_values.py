"""What a chat hands to its template, as bytes for another process: plain values, and objects as dictionaries."""

from __future__ import annotations

import datetime
import io
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from tyllm_base.errors import GenerationError

PLAIN = frozenset({
    bool, bytearray, complex, dict, float, frozenset, int, list, range, set, slice, str, tuple, Decimal, Fraction, UUID,
    datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone,
})  # fmt: skip
PLAIN_CLASSES = sorted(f"{kind.__module__}.{kind.__name__}" for kind in PLAIN)
"""Classes of values that a template gets as they are, beside None and bytes; the other process reads no others."""


def packed(values: Any) -> bytes:
    """Values for a template, in pickle's form, of classes in `PLAIN_CLASSES` alone.

    A mapping, a data class or a pydantic model arrives as a dictionary (in Jinja `x.name` is `x["name"]`), another
    iterable as a list, a number of NumPy's as Python's, a string of a class of its own as a string.

    Raises:
        GenerationError: a value that is none of these, such as a function, or values nested too deep.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=5).dump(values)
    except RecursionError as error:
        raise GenerationError("The chat's values are nested too deep; give fewer levels.") from error
    except GenerationError:
        raise
    except Exception as error:  # of an object's own methods
        raise GenerationError(
            f"The chat holds a value that cannot be read ({type(error).__name__}: {error}); give text, numbers, lists "
            "and dictionaries."
        ) from error
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """How to make the value again; asked for all but Python's commonest types."""
        kind = value if isinstance(value, type) else type(value)
        if kind in PLAIN:
            return NotImplemented  # as pickle does it
        plain = _plain(value)
        if type(plain) not in PLAIN:
            raise GenerationError(
                f"The chat holds {value!r:.80}, a {type(value).__name__}, which a chat template cannot use; give text, "
                "numbers, lists and dictionaries."
            )
        return type(plain), (plain,)


def _plain(value: Any) -> Any:
    """A value of another class as one of a plain class; None where there is none for it."""
    if isinstance(value, type | datetime.tzinfo) or callable(value):
        return None
    for kind, exact in ((str, str.__str__), (int, int), (float, float)):
        if isinstance(value, kind):
            return exact(value)
    for name in ("model_dump", "tolist"):  # pydantic; NumPy and torch
        if callable(method := getattr(value, name, None)):
            return method()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    if is_dataclass(value) or hasattr(value, "__dict__"):
        return {name: each for name, each in vars(value).items() if not name.startswith("_")}
    return None
