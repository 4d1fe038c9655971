"""Progress callables, by which long work tells its caller how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], object]
"""Called as `progress(done, total, what)`: units of work finished, units in all, and what is being done now."""

Advance = Callable[[float, str], object]
"""Called as `advance(amount, what)`: how much work was done since the last call, in the caller's unit, and what."""


def ignore(done: int, total: int, what: str) -> None:
    """A `Progress` that shows nothing."""
