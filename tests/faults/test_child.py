"""A child's end is told by what it is: done, a sentence, a traceback, a signal, a hang, a kill."""

import os
import signal
import time

import pytest
from tests.faults.child import DONE, HANG, INTERNAL, KILLED, SENTENCE, SIGNAL, TRACEBACK, Child, contents, run

from tyllm_base.errors import PackageError


def refuse():
    raise PackageError("It is wrong.")


def fail():
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("work", "kind", "said"),
    [
        (lambda: "text", DONE, "text"),
        (refuse, SENTENCE, "tyllm: It is wrong."),
        (fail, TRACEBACK, "ZeroDivisionError"),
        (lambda: os.kill(os.getpid(), signal.SIGXCPU), SIGNAL, ""),
        (lambda: time.sleep(60), HANG, ""),
        (lambda: os._exit(70), INTERNAL, ""),
    ],
)
def test_ends(work, kind, said):
    end = run(work, limit=1.0)
    assert end.kind == kind and said in end.said


def test_a_gate_and_a_kill():
    child = Child(lambda: "ran", gate=True)
    assert child.wait(0.2) is None
    assert child.kill().kind == KILLED
    child = Child(lambda: "ran", gate=True)
    child.open_gate()
    assert child.finish(5.0).said == "ran"


def test_contents(tmp_path):
    assert contents(tmp_path / "nowhere") is None
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"c")
    assert contents(tmp_path) == {"a/b": b"c"}
