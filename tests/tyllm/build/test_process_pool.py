"""A process pool: results in order, reports as they come, failures as they were, and no child left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import torch

from tyllm.build.process_pool import run_in_processes
from tyllm_base.errors import CheckpointError, TyllmError


def square(number, report):
    report(number, "squared")
    return number * number


@pytest.mark.parametrize("processes", [1, 2, 9])
def test_results_are_in_the_order_of_the_tasks(processes):
    said = []
    assert run_in_processes([partial(square, n) for n in range(5)], processes, lambda *what: said.append(what)) == [
        0,
        1,
        4,
        9,
        16,
    ]
    assert sorted(said) == [(n, "squared") for n in range(5)]


def test_tasks_run_in_other_processes_and_inherit_what_they_use():
    unpicklable = (lambda: "inherited",)
    results = run_in_processes([lambda _: (os.getpid(), unpicklable[0]())] * 2, 2, print)
    assert {text for _, text in results} == {"inherited"} and os.getpid() not in {pid for pid, _ in results}


def exponential(_):
    return float(torch.ones(1 << 20).exp().sum())


@pytest.mark.timeout(60)
def test_torch_computes_in_a_child_though_its_parent_used_threads():
    """As after `quantize` in the same process: OpenMP's threads do not come along through a fork."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = exponential(print)
        assert run_in_processes([exponential] * 2, 2, print) == pytest.approx([expected] * 2)
    finally:
        torch.set_num_threads(before)


def failing(error, _):
    raise error


def test_a_failure_keeps_its_kind_and_where_it_was():
    with pytest.raises(CheckpointError, match="half a tensor") as caught:
        run_in_processes([partial(failing, CheckpointError("half a tensor"))], 1, print)
    assert "in failing" in caught.value.__notes__[0]


class DemandingError(Exception):
    """Made of two things, of which pickle keeps one."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_a_failure_that_cannot_be_sent_is_told_in_words():
    with pytest.raises(RuntimeError, match="DemandingError: this and that"):
        run_in_processes([partial(failing, DemandingError("this", "that"))], 1, print)


def test_an_interrupt_inside_ends_all(tmp_path):
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_in_processes([partial(failing, KeyboardInterrupt()), lambda _: time.sleep(60)], 2, print)
    assert time.monotonic() - started < 30
    with pytest.raises(ChildProcessError):  # all are reaped
        os.waitpid(-1, os.WNOHANG)


def test_a_killed_child_is_told():
    with pytest.raises(TyllmError, match="was killed"):
        run_in_processes([lambda _: os.kill(os.getpid(), signal.SIGKILL)], 1, print)


SLEEPER = """
import os, sys, time
from tyllm.build.process_pool import run_in_processes
def sleep(report):
    report(os.getpid(), "sleep")
    time.sleep(60)
run_in_processes([sleep], 1, lambda pid, _: print(pid, flush=True))
"""


def test_children_die_with_their_parent():
    parent = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True)
    status = Path("/proc", parent.stdout.readline().strip(), "status")
    assert status.exists()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    with suppress(FileNotFoundError, ProcessLookupError):
        while "\nState:\tZ" not in status.read_text():  # a zombie waits for whoever adopted it
            assert time.monotonic() < deadline
            time.sleep(0.02)
