"""Children of this process end with it, and so do their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tyllm_base.child_processes import adopt_orphans, descendants, kill_descendants, run_child


def is_running(pid):
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_what_a_child_prints_is_kept(monkeypatch):
    monkeypatch.setenv("MINE", "1")
    done = run_child(["sh", "-c", "echo $MINE $YOURS; cat; exit 3"], {"YOURS": "2"})
    assert (done.returncode, done.stdout) == (3, "1 2\n")


def test_what_cannot_be_started():
    with pytest.raises(FileNotFoundError):
        run_child(["/no/such/program"])


def test_children_of_children_are_killed_too():
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as shell:
        assert wait_until(lambda: len(descendants()) == 2)
        found = descendants()
        assert shell.pid in found
        kill_descendants()
    assert wait_until(lambda: not any(map(is_running, found)))


def test_orphans_become_ours():
    adopt_orphans()
    try:
        number = int(run_child(["sh", "-c", "sleep 60 > /dev/null 2>&1 & echo $!"]).stdout)
        assert descendants() == [number]
        kill_descendants()
        assert os.waitpid(number, 0) == (number, signal.SIGKILL)
    finally:
        adopt_orphans(False)


PARENT = "from tyllm_base.child_processes import run_child; print('ready', flush=True); run_child(['sleep', '60'])"


def test_a_child_ends_with_its_parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        parent.stdout.readline()
        assert wait_until(lambda: len(descendants()) == 2)
        found = descendants()
        parent.kill()
    assert wait_until(lambda: not any(map(is_running, found)))
