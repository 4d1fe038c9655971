"""A progress bar with the time left, for a caller that gives no callable of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tyllm_base.printable import one_line
from tyllm_base.progress import Progress, ignore


@contextmanager
def bar_unless(given: Progress | None) -> Iterator[Progress]:
    """`given` if there is one, else a bar on a terminal, else nothing."""
    if given is not None or not sys.stderr.isatty():
        yield given or ignore
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task("AWQ", total=None)

        def draw(done: int, total: int, what: str) -> None:
            bars.update(task, completed=done, total=total, description=escape(one_line(what)))

        yield draw
