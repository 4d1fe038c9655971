"""How a long task says how far it is; the command line draws a bar of it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, doing)`: `done` of `total` units are finished, and `doing` names the current one."""
