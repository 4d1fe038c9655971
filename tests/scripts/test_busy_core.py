"""The table of what a busy core leaves of the speed."""

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import busy_core
import pytest


class FakeSession:
    """Notes what is asked of it."""

    threads = 2

    def __init__(self, package=None, threads=None, pin=False):
        self.asked = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def generate(self, prompt, max_new_tokens, ignore_eos, temperature):
        self.asked.append((len(prompt), max_new_tokens, ignore_eos and temperature == 0))


@pytest.fixture
def busy_cores(monkeypatch):
    """The cores that were made busy, in order; no process is started."""
    cores = []

    @contextmanager
    def busy(core):
        cores.append(core)
        yield

    monkeypatch.setattr(busy_core, "busy", busy)
    return cores


def test_shares_are_of_the_idle_median():
    speeds = {None: [90.0, 100.0, 200.0], 1: [45.0, 50.0, 60.0]}
    assert busy_core.row("2die, free", speeds) == ["2die, free", "100 (90.0–200)", "50.0 (45.0–60.0): 50%"]


def test_rounds_alternate_between_idle_and_each_core(busy_cores):
    session = FakeSession()
    speeds = busy_core.measure(session, 7, 2, [0, 3])
    assert busy_cores == [0, 3, 0, 3]
    assert {core: len(found) for core, found in speeds.items()} == {None: 2, 0: 2, 3: 2}
    assert session.asked == [(10, 7, True)] * 7  # the first warms up


def test_the_busy_loop_keeps_to_its_core_and_ends():
    core = min(os.sched_getaffinity(0))
    with busy_core.busy(core) as loop:
        deadline = time.monotonic() + 20
        while os.sched_getaffinity(loop.pid) != {core} and time.monotonic() < deadline:
            time.sleep(0.01)
        assert os.sched_getaffinity(loop.pid) == {core}
        assert loop.poll() is None
    assert loop.poll() == -9


def test_each_package_has_a_row_with_free_and_one_with_bound_threads(busy_cores, monkeypatch, capsys):
    monkeypatch.setattr(busy_core, "Session", FakeSession)
    monkeypatch.setattr(busy_core, "small_packages", lambda: [Path("1die"), Path("2die")])
    monkeypatch.setattr(sys, "argv", ["busy_core.py", "--tokens", "2", "--rounds", "1", "--cores", "0"])
    busy_core.main()
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head == "| package, threads | idle | core 0 busy |"
    assert [line.split(" | ")[0] for line in rows] == [
        "| 1die, 2 free",
        "| 1die, 2 bound",
        "| 2die, 2 free",
        "| 2die, 2 bound",
    ]
