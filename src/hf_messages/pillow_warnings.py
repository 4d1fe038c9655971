"""Keeps Pillow's warnings on foreign files silent while one of ours is read, and only then, in any thread.

What they say (odd metadata, a size that we judge ourselves) is either harmless or becomes an error of ours, and a file
can cause thousands. `warnings.catch_warnings` would change the filters of all threads; a filter of our own asks at each
warning whether this thread, or task, is reading an image.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, cast

_reading: ContextVar[bool] = ContextVar("_reading", default=False)


class _OfPillow:
    """In the place of a filter's regular expression for modules."""

    def match(self, module: str) -> bool:
        """Whether a warning comes from Pillow while we read an image."""
        return _reading.get() and module.partition(".")[0] == "PIL"


_FILTER = ("ignore", None, Warning, _OfPillow(), 0)


@contextmanager
def silent_pillow() -> Iterator[None]:
    """Pillow's warnings are not shown, nor raised where warnings are errors; those of others are as they were."""
    _put_first()
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


def _put_first() -> None:
    """Have our filter asked before those that came since, such as Python's option -W error in a test."""
    filters = cast("list[Any]", warnings.filters)
    if not filters or filters[0] is not _FILTER:
        with suppress(ValueError):
            filters.remove(_FILTER)
        filters.insert(0, _FILTER)
