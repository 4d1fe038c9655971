"""Progress of a long run: a callback with what is done, and a bar with the time left when nobody gives one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int, str], None]  # steps done, steps in all, what is being done now


def ignore(done: int, total: int, what: str) -> None:
    """Show nothing."""


@contextmanager
def bar_unless(given: Progress | None) -> Iterator[Progress]:
    """`given` if there is one, else a bar on a terminal, else nothing."""
    if given is not None or not sys.stderr.isatty():
        yield given or ignore
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task("AWQ", total=None)
        yield lambda done, total, what: bars.update(task, completed=done, total=total, description=what)
