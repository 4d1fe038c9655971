"""A command that a signal ends cleans up, is gone within a second, and leaves no process."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIMIT_S = 15  # a second, and much patience with a busy machine; without the mechanism it takes a minute

COMMAND = """
import os, re, signal, subprocess, sys, threading, time
from pathlib import Path
from tyllm.cli import app, entry_point
from tyllm_base.unfinished import scratch_folder

def command(**_):
    with scratch_folder(Path(sys.argv[1])) as folder:
        (folder / "file").touch()
        child = subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
        print(child.pid, child.stdout.readline().strip(), flush=True)
        BLOCK

app.app = command
sys.argv[1:2], sys.argv[1:] = [], sys.argv[1:2]
sys.exit(entry_point.main())
"""
IN_PYTHON = "time.sleep(60)"
WITH_LIBRARIES = """
        sys.library = type("Library", (), {"__del__": lambda self, sleep=time.sleep: sleep(60)})()
        time.sleep(60)
"""
"""Large libraries take seconds when the interpreter ends, after all other threads."""
IN_C = "re.match(r'(a+)+$', 'a' * 20 + 'b')\n        while True: __import__('ctypes').CDLL(None).sleep(60)"
"""Calls that let no handler run until they end: a loop of sleeps in C, with the lock released, as kernels run."""


def as_in_a_terminal():
    """Signals do what they do by default, also where the tests run in the background, under nohup or in a pipeline."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start(folder, block, **options):
    program = COMMAND.replace("BLOCK", block)
    options.setdefault("preexec_fn", as_in_a_terminal)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    return process, [int(number) for number in process.stdout.readline().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] != "Z"
    except OSError:
        return False


def assert_ended(process, children, folder, code, since):
    try:
        assert process.wait(20) == code
    finally:
        process.kill()
    assert time.monotonic() - since < LIMIT_S
    assert process.stderr.read() == ""
    while any(map(is_running, children)) and time.monotonic() - since < LIMIT_S:
        time.sleep(0.01)  # a killed process ends when it is next given a core
    assert not any(map(is_running, children))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("block", [IN_PYTHON, IN_C, WITH_LIBRARIES], ids=["in Python", "in C", "with libraries"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_within_a_second(tmp_path, number, block):
    process, children = start(tmp_path, block)
    with process:
        assert len(list(tmp_path.iterdir())) == 1 and all(map(is_running, children))
        since = time.monotonic()
        process.send_signal(number)
        assert_ended(process, children, tmp_path, 128 + number, since)


@pytest.mark.parametrize("block", [IN_PYTHON, IN_C], ids=["in Python", "in C"])
def test_two_interrupts_do_too(tmp_path, block):
    process, children = start(tmp_path, block)
    with process:
        since = time.monotonic()
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        assert_ended(process, children, tmp_path, 130, since)


SWALLOWED = """
        while True:
            try: time.sleep(60)
            except BaseException: pass
"""


def test_an_exception_that_is_swallowed_does_not_hold_it_up(tmp_path):
    process, children = start(tmp_path, SWALLOWED)
    with process:
        since = time.monotonic()
        process.terminate()
        assert_ended(process, children, tmp_path, 143, since)


def test_what_nohup_ignores_stays_ignored(tmp_path):
    process, children = start(tmp_path, IN_PYTHON, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    with process:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert process.poll() is None
        since = time.monotonic()
        process.terminate()
        assert_ended(process, children, tmp_path, 143, since)


APART = """
import os, signal, threading, time
from tyllm.cli.signals import go_on, signals_end

def interrupt(number, exception):
    try:
        os.kill(os.getpid(), number)
        time.sleep(5)
    except exception as error:
        return error
    raise AssertionError("no exception")

"""


def run_apart(program):
    """Run Python code in a process of its own: on a busy machine the watch may end it."""
    done = subprocess.run(
        [sys.executable, "-c", APART + program], capture_output=True, text=True, preexec_fn=as_in_a_terminal
    )
    assert (done.returncode, done.stderr) in {(0, ""), (143, "")}
    return done


def test_the_handlers_of_others_come_back():
    run_apart("""
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
with signals_end(is_process=False):
    assert signal.getsignal(signal.SIGTERM) != before[1]
    assert interrupt(signal.SIGTERM, SystemExit).code == 143
assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
""")


def test_a_part_of_a_command_may_end_by_an_interrupt():
    done = run_apart("""
with signals_end(is_process=False):
    for _ in range(3):
        interrupt(signal.SIGINT, KeyboardInterrupt)
        go_on()
    time.sleep(0.7)  # nothing ends the process
""")
    assert done.returncode == 0


def test_a_machine_without_threads_left():
    run_apart("""
def refuse(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse
before = len(os.listdir("/proc/self/fd"))
with signals_end(is_process=False):
    interrupt(signal.SIGTERM, SystemExit)
assert len(os.listdir("/proc/self/fd")) == before
""")
