"""Progress goes to the callback, or to a bar on a terminal, or nowhere."""

import sys

from awq.work.progress_bar import bar_unless, ignore


def test_a_callback_is_used():
    seen = []
    with bar_unless(lambda *step: seen.append(step)) as report:
        report(1, 2, "layer 2 of 2")
    assert seen == [(1, 2, "layer 2 of 2")]


def test_no_terminal_no_bar(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with bar_unless(None) as report:
        assert report is ignore


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with bar_unless(None) as report:
        report(1, 2, "layer 2 of 2")
    assert "layer 2 of 2" in capsys.readouterr().err
