"""Progress: lines with the time left where there is no terminal, a bar on one, never on stdout."""

import io

from tyllm.cli import progress as module
from tyllm.cli.progress import progress, seconds_left


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_lines_come_every_two_seconds_with_the_time_left(monkeypatch):
    clock = iter([0.0, 1.0, 4.0, 5.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with progress("compile", stream) as report:
        for done in (1, 2, 3):
            report(done, 8, f"layer {done}")
    assert stream.getvalue() == "compile: 2/8 layer 2, 12 s left\n"


def test_a_terminal_gets_a_bar(capsys):
    stream = Terminal()
    with progress("compile", stream) as report:
        report(3, 8, "layer [3]")
    assert "3/8" in stream.getvalue()
    assert "layer [3]" in stream.getvalue()
    assert capsys.readouterr().out == ""


def test_seconds_left():
    assert seconds_left(2, 8, 4.0) == 12.0
    assert seconds_left(8, 8, 4.0) == 0.0
