"""Progress on stderr: a bar with the time left on a terminal, a line every few seconds anywhere else."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from tyllm_base.printable import one_line

if TYPE_CHECKING:
    from tyllm_base.progress import Progress

LINE_EVERY_S = 2.0


@contextmanager
def progress_bar(title: str, stream: TextIO | None = None) -> Iterator["Progress"]:
    """Draw the progress of the task `title` until the block ends.

    Args:
        title: one word for the whole task.
        stream: where to draw; stderr when None.
    """
    stream = sys.stderr if stream is None else stream
    if stream.isatty():
        with _bar(title, stream) as draw:
            yield draw
    else:
        yield _Lines(title, stream)


@contextmanager
def _bar(title: str, stream: TextIO) -> Iterator["Progress"]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}", markup=False),
    )
    with Bars(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task(title, total=None, what="")
        yield lambda done, total, what: bar.update(task, completed=done, total=total, what=one_line(what))


class _Lines:
    """One line whenever `LINE_EVERY_S` have passed: quick tasks print nothing, logs stay short."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self.title, self.stream = title, stream
        self.printed = time.monotonic()
        self.first: tuple[float, int] | None = None  # when the first report came, and what was done by then

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        self.first = self.first or (now, done)
        if now - self.printed < LINE_EVERY_S:
            return
        self.printed = now
        left = seconds_left(done - self.first[1], total - done, now - self.first[0])
        shown = "" if left is None else f", {left:.0f} s left"
        print(one_line(f"{self.title}: {done}/{total} {what}{shown}"), file=self.stream, flush=True)


def seconds_left(done: int, rest: int, elapsed: float) -> float | None:
    """Seconds that the `rest` takes at the pace of `done` units in `elapsed` seconds; None before there is a pace."""
    return rest * elapsed / done if done else None
