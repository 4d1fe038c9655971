"""An isolated process answers, ends at its limits in a sentence, comes back, and leaves nothing behind."""

import errno
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tyllm_base import isolated_process
from tyllm_base.errors import GenerationError
from tyllm_base.isolated_process import MIB, Failure, IsolatedProcess, Limits

TASK = Path(__file__).with_name("isolated_deeds.py")
LIMITS = Limits(seconds=0.3, wall_seconds=15.0, memory=64 * MIB, answer=MIB)


def refuse(failure: Failure) -> GenerationError:
    return GenerationError(f"{failure.kind}: {failure.reason}")


def ask(process, *request, limits=None):
    return process.call(json.dumps(request).encode(), refuse, limits or LIMITS)


@pytest.fixture
def process():
    found = IsolatedProcess(TASK, b"", LIMITS)
    yield found
    found.close()


def alive(pid: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    return Path(f"/proc/{pid}").exists()


def open_files() -> int:
    """Descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_answers_come_back_as_they_are(process):
    value = ["ä\ud800\x00", 1, 2.5, None, {"a": [True]}]
    assert ask(process, "echo", value) == value
    assert ask(process, "count") == 2
    assert ask(process, "pid") != os.getpid()


def test_an_error_is_said_and_the_process_stays(process):
    before = ask(process, "pid")
    with pytest.raises(GenerationError, match=r"raised: ValueError: no \\x1b\[31m\\n$"):
        ask(process, "raise_error", "no \x1b[31m\n")
    with pytest.raises(GenerationError, match="raised: RecursionError"):
        ask(process, "recurse")
    with pytest.raises(GenerationError, match="raised: SystemExit: 3"):
        ask(process, "raise_exit")
    with pytest.raises(GenerationError, match="raised: TypeError"):
        ask(process, "nonsense")
    assert ask(process, "pid") == before


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (["spin"], "took more than 0.3 s of processor time"),
        (["native"], "took more than 0.3 s of processor time"),
        (["fill"], "needed more than 64 MiB of memory"),
        (["fill_slowly"], "needed more than 64 MiB of memory"),
        (["long", 2 * MIB], "gave more than 1 MiB"),
        (["kill", signal.SIGSEGV], r"crashed \(SIGSEGV\)"),
        (["kill", signal.SIGABRT], r"crashed \(SIGABRT\), or needed more"),
        (["kill", signal.SIGKILL], "was killed by the system"),
        (["leave", 3], "ended its process .exit code 3"),
    ],
)
def test_what_goes_too_far_is_stopped_and_the_next_call_answered(process, request_, reason):
    before = ask(process, "pid")
    with pytest.raises(GenerationError, match=f"stopped: {reason}"):
        ask(process, *request_)
    assert not alive(before)
    assert ask(process, "echo", 1) == 1


def test_one_that_only_waits_is_not_waited_for(process):
    with pytest.raises(GenerationError, match=r"stopped: took longer than 0\.5 s"):
        ask(process, "sleep", 60, limits=replace(LIMITS, wall_seconds=0.5))
    assert ask(process, "echo", 1) == 1


def test_limits_grow_with_the_request(process):
    assert len(ask(process, "echo", "x" * (3 * MIB))) == 3 * MIB
    assert LIMITS.for_request(2 * MIB) == Limits(1.3, 20.0, 128 * MIB, 33 * MIB)


@pytest.mark.parametrize(("setup", "reason"), [(b"fail", "raised: ValueError: not prepared"), (b"die", "SIGSEGV")])
def test_a_task_that_cannot_be_prepared(setup, reason):
    process = IsolatedProcess(TASK, setup, LIMITS)
    for _ in range(2):
        with pytest.raises(GenerationError, match=reason):
            process.start(refuse)
    with pytest.raises(GenerationError, match=reason):
        ask(process, "echo", 1)


def test_a_task_that_cannot_be_loaded(tmp_path):
    (tmp_path / "task.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(GenerationError, match=r"stopped: ended its process \(exit code 1"):
        IsolatedProcess(tmp_path / "task.py", b"", LIMITS).start(refuse)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOMEM, errno.EPERM])
def test_no_process_to_be_had(process, monkeypatch, code):
    def fails(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(subprocess, "Popen", fails)
    with pytest.raises(GenerationError, match=f"not started: {os.strerror(code)}"):
        ask(process, "echo", 1)
    monkeypatch.undo()
    assert ask(process, "echo", 1) == 1


def test_no_interpreter_to_be_had(process, monkeypatch):
    monkeypatch.setattr(sys, "executable", None)
    with pytest.raises(GenerationError, match="not started: this program has no Python"):
        ask(process, "echo", 1)


def test_closing_ends_the_process_and_leaves_no_zombie(process):
    found, files = ask(process, "pid"), open_files()
    process.close()
    process.close()
    assert not alive(found)
    assert open_files() == files - 1
    assert ask(process, "count") == 1


def test_a_forgotten_process_ends():
    process = IsolatedProcess(TASK, b"", LIMITS)
    found = ask(process, "pid")
    del process
    gc.collect()
    assert not alive(found)


def test_it_says_nothing_itself(process, capfd):
    assert ask(process, "write") == "said"
    assert capfd.readouterr() == ("", "")


def test_threads_take_turns(process):
    answers = []

    def run(number):
        answers.extend(ask(process, "echo", number) == number for _ in range(50))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 400


def test_an_interrupted_call_leaves_no_answer_behind(process):
    before = ask(process, "pid")

    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            ask(process, "sleep", 1)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert not alive(before)
    assert ask(process, "echo", "next") == "next"


def test_a_fork_leaves_the_process_to_its_parent(process):
    before = ask(process, "pid")
    child = os.fork()
    if not child:
        code = 1
        try:
            own = ask(process, "pid")
            process.close()
            code = 0 if own != before else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask(process, "pid") == before


PARENT = """
import json, os, sys, time
from tyllm_base.isolated_process import *
from pathlib import Path
LIMITS = Limits(1.0, 10.0, 1 << 26, 1 << 20)
process = IsolatedProcess(Path(sys.argv[1]), b"", LIMITS)
found = process.call(b'["pid"]', lambda failure: RuntimeError(failure), LIMITS)
if sys.argv[2] == "fork" and not os.fork():
    time.sleep(60)
print(found, flush=True)  # after the fork: then this process is killed
time.sleep(60 if sys.argv[2] != "leave" else 0)
"""


@pytest.mark.parametrize("ending", ["kill", "leave", "fork"])
def test_it_ends_with_its_parent(ending, monkeypatch):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(TASK), ending], stdout=subprocess.PIPE, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        found = int(parent.stdout.readline())
        if ending != "leave":
            parent.kill()
        parent.wait(20)
        deadline = time.monotonic() + (5 if ending != "fork" else 25)  # a fork of it holds the socket
        while alive(found) and time.monotonic() < deadline:
            time.sleep(0.05)
        gone = not alive(found) or "Z" in Path(f"/proc/{found}/stat").read_text().split(")")[1]
        if ending == "fork":
            os.killpg(parent.pid, signal.SIGKILL)
    assert gone


def test_ctrl_c_of_the_terminal_does_not_reach_it(process):
    found = ask(process, "pid")
    assert os.getpgid(found) != os.getpgid(0)
    os.kill(found, signal.SIGINT)
    assert ask(process, "pid") == found


def test_signals_that_the_parent_blocks_or_ignores_still_stop_it(process):
    previous = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
    try:
        with pytest.raises(GenerationError, match="of processor time"):
            ask(process, "spin")
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
        signal.signal(signal.SIGPROF, previous)


def test_an_answer_that_cannot_be_read(process, monkeypatch):
    ask(process, "echo", 1)
    monkeypatch.setattr(isolated_process.json, "loads", lambda _: 3)
    with pytest.raises(GenerationError, match="gave no answer that can be read"):
        process.call(b'["echo", 1]', refuse, LIMITS)


def test_a_process_that_does_not_start_is_waited_for_a_bounded_time(tmp_path, monkeypatch):
    (tmp_path / "task.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(isolated_process, "START_SECONDS", 0.5)
    with pytest.raises(GenerationError, match=r"not started: it was not there after 0\.5 s"):
        IsolatedProcess(tmp_path / "task.py", b"", LIMITS).start(refuse)


def test_the_time_to_start_is_no_time_to_prepare_in(tmp_path):
    """A foreign file that is prepared gets its own seconds, and not those that Python may take to start."""
    (tmp_path / "task.py").write_text("import time\ndef prepare(setup):\n    time.sleep(60)\n")
    started = time.monotonic()
    with pytest.raises(GenerationError, match=r"stopped: took longer than 0\.5 s"):
        IsolatedProcess(tmp_path / "task.py", b"", replace(LIMITS, wall_seconds=0.5)).start(refuse)
    assert time.monotonic() - started < 20
