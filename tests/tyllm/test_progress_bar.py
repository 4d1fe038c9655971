"""Progress: lines with the time left where there is no terminal, a bar on one, never on stdout."""

import io

from tyllm import progress_bar as module
from tyllm.progress_bar import progress_bar, seconds_left


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_lines_come_every_two_seconds_with_the_time_left(monkeypatch):
    clock = iter([0.0, 100.0, 104.0, 105.0, 110.0])  # the first second of work comes after a long start
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with progress_bar("compile", stream) as report:
        for done in (0, 2, 3, 4):
            report(done, 8, f"layer {done}")
    lines = ["compile: 0/8 layer 0", "compile: 2/8 layer 2, 12 s left", "compile: 4/8 layer 4, 10 s left"]
    assert stream.getvalue().splitlines() == lines


def test_a_terminal_gets_a_bar(capsys):
    stream = Terminal()
    with progress_bar("compile", stream) as report:
        report(3, 8, "layer [3]")
    assert "3/8" in stream.getvalue()
    assert "layer [3]" in stream.getvalue()
    assert capsys.readouterr().out == ""


def test_seconds_left():
    assert seconds_left(2, 6, 4.0) == 12.0
    assert seconds_left(8, 0, 4.0) == 0.0
    assert seconds_left(0, 8, 4.0) is None
