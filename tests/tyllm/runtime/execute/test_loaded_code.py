"""What is loaded goes in order and never under a step: at close, at the end of the process, and in a forked child."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from fake_package import reference_greedy

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
    loaded.unload()
    loaded.unload()
    assert loaded.seen == ["session", "library b", "library a"]
    assert "is closed" in loaded.refusal


def test_nothing_goes_under_a_step_whoever_asks(loaded):
    held, done = threading.Event(), threading.Event()

    def step():
        with loaded._lock:
            loaded.unload()  # as the handler of a signal may, in the thread that is in the step
            held.set()
            done.wait(30)

    threads = [threading.Thread(target=step)]
    threads[0].start()
    held.wait(30)
    for _ in range(2):
        threads.append(threading.Thread(target=loaded.unload))
        threads[-1].start()
    time.sleep(0.05)
    assert loaded.seen == [] and all(thread.is_alive() for thread in threads)
    done.set()
    for thread in threads:
        thread.join(30)
    assert loaded.seen == ["session", "library b", "library a"]


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
import os, sys, threading, time
from tyllm.runtime import Session
def generate(slot):
    while True:
        for piece in session.generate("Once upon a time", max_new_tokens=30, ignore_eos=True, stream=True, slot=slot):
            pass
def save(slot):
    while True:
        session.conversation(slot).append([1, 2, 3])
        session.conversation(slot).restore(session.conversation(slot).save())
        session.score(list(range(60)), slot)
def long_steps(slot):
    while True:
        session.logits([1] * 4000, slot)
def open_and_close(slot):
    while True:
        Session(sys.argv[1], threads=2).logits([1, 2])
for number in range(int(sys.argv[3])):
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 0, code
        continue
    session = Session(sys.argv[1], threads=2, slots=2)
    for slot in range(2):
        threading.Thread(target=globals()[sys.argv[2]], args=(slot,), daemon=True).start()
    time.sleep(0.01 * number)
    break
"""


@pytest.mark.parametrize(("work", "count"), [("generate", 6), ("save", 6), ("long_steps", 2), ("open_and_close", 6)])
def test_processes_that_end_while_daemon_threads_are_in_steps_end_well_and_say_nothing(toy, work, count):
    """Imports are done once: forked children end as any process."""
    sizes = {"seq_lens": (1, 4096), "max_kv_cache_size": 4096} if work == "long_steps" else {}
    command = [sys.executable, "-c", DAEMON, toy(dies=2, **sizes), work, str(count)]
    found = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (found.returncode, found.stderr) == (0, "")


def doors(session, stream):
    """Every call that needs the engine."""
    conversation = session.conversation()
    messages = [{"role": "user", "content": "Hello"}]
    return [
        lambda: session.logits([1]), lambda: session.score([1, 2]), lambda: session.generate("ab"),
        lambda: session.generate([1], stream=True), lambda: session.chat(messages), lambda: next(stream),
        stream.prefill, lambda: conversation.append([1]), lambda: next(conversation.every_logits([1])),
        lambda: conversation.rewind(0), conversation.reset, lambda: conversation.restore(session.saved),
        conversation.save,
    ]  # fmt: skip


@pytest.fixture
def streaming(toy):
    """A session, and the stream that another thread reads just then."""
    with Session(toy(dies=2, max_kv_cache_size=512), threads=2, slots=2) as session:
        session.saved, stop = session.conversation().save(), threading.Event()
        session.chat([{"role": "user", "content": "Hello"}], max_new_tokens=1)
        streams = [session.generate([1, 2, 3], max_new_tokens=400, ignore_eos=True, stream=True)]

        def work():
            while not stop.is_set():
                list(streams[0])
                streams[0] = session.generate([1, 2, 3], max_new_tokens=400, ignore_eos=True, stream=True)

        thread = threading.Thread(target=work)
        thread.start()
        yield session, streams
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_a_child_that_was_forked_while_another_thread_generates_is_told_at_once(streaming):
    session, streams = streaming
    ends = []
    for number in range(5):
        time.sleep(0.003 * number)
        ends.append(_child(session, streams))
    assert ends == [""] * 5


def _child(session, streams):
    """What a child that asks the parent's session is told otherwise than it should; it has ten seconds for all."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        for number, door in enumerate(doors(session, streams[0])):
            try:
                door()
                os.write(writer, f"{number} was answered; ".encode())
            except GenerationError as error:
                if "before a fork" not in str(error):
                    os.write(writer, f"{number}: {error}; ".encode())
            except BaseException as error:
                os.write(writer, f"{number}: {error!r}; ".encode())
        session.close()
        os._exit(0)
    os.close(writer)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(reader) as file:
        return file.read() + (f"exit code {code}" if code else "")


def test_a_child_of_multiprocessing_is_told_too(streaming):
    def child(queue):
        try:
            session.logits([1])
        except GenerationError as error:
            queue.put(str(error))

    session, _ = streaming
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert "open the package again in this process" in queue.get(timeout=30)
    process.join(30)
    assert process.exitcode == 0


def test_every_door_of_a_closed_session_is_a_sentence(toy):
    session = Session(toy(dies=2, max_kv_cache_size=512))
    session.saved = session.conversation().save()
    session.chat([{"role": "user", "content": "Hello"}], max_new_tokens=1)
    stream = session.generate([1, 2, 3], max_new_tokens=400, ignore_eos=True, stream=True)
    template = session.chat_template._renderer._process
    session.close()
    for door in doors(session, stream):
        with pytest.raises(GenerationError, match="The session is closed; open the package again"):
            door()
    assert template._process is None


def test_a_session_that_is_forgotten_while_its_stream_is_read(toy):
    expected = reference_greedy([1, 2, 3], 40)
    for _ in range(5):
        stream = Session(toy(dies=2, max_kv_cache_size=512), threads=2).generate(
            [1, 2, 3], max_new_tokens=40, ignore_eos=True, stream=True
        )
        thread = threading.Thread(target=list, args=(stream,))
        thread.start()
        gc.collect()
        thread.join(30)
        assert stream.result.token_ids == expected


def test_a_closed_session_is_a_sentence(toy):
    session = Session(toy(dies=2))
    session.close()
    with pytest.raises(GenerationError, match="is closed"):
        session.logits([1])
