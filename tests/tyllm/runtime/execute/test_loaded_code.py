"""What is loaded goes in order and never under a step: at close, at the end of the process, and in a forked child."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tyllm.runtime import Session
from tyllm.runtime.execute import loaded_code
from tyllm.runtime.execute.loaded_code import LoadedCode
from tyllm_base.errors import GenerationError, TyllmError


@pytest.fixture
def loaded(monkeypatch):
    """Loaded code whose destruction and unloading are written down."""
    seen = []
    loaded = LoadedCode(threading.RLock())
    loaded.libraries = {"a": "library a", "b": "library b"}
    loaded.destroy = lambda: seen.append("session")
    monkeypatch.setattr(loaded_code, "unload_code", seen.append)
    loaded.seen = seen
    return loaded


def test_the_session_goes_before_its_code_and_once(loaded):
    loaded.stop_at_exit()
    assert loaded.seen == ["session"] and loaded.is_stopping
    loaded.unload()
    loaded.unload()
    assert loaded.seen == ["session", "library b", "library a"]


def test_the_end_of_the_process_does_not_wait_for_ever(loaded, monkeypatch):
    monkeypatch.setattr(loaded_code, "EXIT_SECONDS", 0.1)
    held, done = threading.Event(), threading.Event()

    def step():
        with loaded._lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=step)
    thread.start()
    held.wait(30)
    loaded.stop_at_exit()
    assert loaded.seen == []
    done.set()
    thread.join(30)


def test_closing_gets_in_between_the_steps_of_a_busy_thread(toy):
    for _ in range(5):
        session, ends = Session(toy(dies=2), threads=2), []

        def work(session=session, ends=ends):
            try:
                while True:
                    session.generate([1, 2, 3], max_new_tokens=30, ignore_eos=True)
            except TyllmError as error:
                ends.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.02)
        session.close()
        thread.join(30)
        assert not thread.is_alive() and "closed; open the package again" in str(ends[0])


DAEMON = """
import sys, threading, time
from tyllm.runtime import Session
session = Session(sys.argv[1], threads=2)
def work():
    while True:
        session.logits(list(range(60)))
threading.Thread(target=work, daemon=True).start()
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("seconds", [0.01, 0.03, 0.05, 0.07])
def test_a_process_that_ends_while_a_daemon_thread_is_in_a_step_does_not_crash(toy, seconds):
    command = [sys.executable, "-c", DAEMON, toy(dies=2), str(seconds)]
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def test_a_child_that_was_forked_during_a_step_is_told_and_does_not_wait(toy):
    with Session(toy(dies=2), threads=2) as session:
        stop = threading.Event()

        def work():
            while not stop.is_set():
                session.logits(list(range(60)))

        thread = threading.Thread(target=work)
        thread.start()
        codes = [_child(session) for _ in range(5)]
        stop.set()
        thread.join(30)
    assert codes == [0] * 5


def _child(session):
    """The exit code of a child that asks the parent's session: 0 for a refusal, -14 where it waits for ever."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        try:
            session.logits([1])
        except TyllmError:
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_closed_session_is_a_sentence(toy):
    session = Session(toy(dies=2))
    session.close()
    with pytest.raises(GenerationError, match="is closed"):
        session.logits([1])
