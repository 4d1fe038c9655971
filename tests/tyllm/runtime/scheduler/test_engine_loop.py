"""The engine's thread: requests from any thread, ends that everybody is told, forks and exits."""

import gc
import os
import subprocess
import sys
import threading
import time
from queue import SimpleQueue

import pytest
from fake_package import reference_greedy

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.scheduler.engine_loop import EngineLoop
from tyllm.runtime.scheduler.engine_request import EngineRequest
from tyllm_base.errors import GenerationError, InternalError


@pytest.fixture
def loop(serve):
    served = serve()
    loop = EngineLoop(served.core, served.model.close)
    loop.served = served
    yield loop
    loop.stop()


def ask(loop, tokens, name, count=10, receiver=None):
    """Begin a request; the queue of its updates."""
    updates = SimpleQueue()
    request = EngineRequest(Prompt(tokens), SamplingParams(max_new_tokens=count, ignore_eos=True), None, name)
    loop.submit(loop.served.checks.sequences(request), receiver or updates.put)
    return updates


def last(updates):
    while not (update := updates.get(timeout=20)).finished:
        pass
    return update


def test_requests_of_many_threads(loop):
    found = {}

    def run(number):
        found[number] = last(ask(loop, [number, 7], str(number))).result.token_ids

    threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: reference_greedy([number, 7], 10) for number in range(12)}


def test_closing_tells_all_and_stops_the_thread(loop, monkeypatch):
    step = loop._core.step

    def slowly():
        """A step that outlasts the call that closes the engine."""
        while loop._error is None:
            time.sleep(0.001)
        return step()

    monkeypatch.setattr(loop._core, "step", slowly)
    queues = [ask(loop, [number], str(number), 64) for number in range(8)]
    loop.stop()
    ends = [last(updates) for updates in queues]
    assert all(end.result.finish_reason == "error" and "engine was closed" in str(end.error) for end in ends)
    assert not loop._thread.is_alive()
    with pytest.raises(GenerationError, match="engine was closed"):
        ask(loop, [1], "late")
    loop.abort("0")
    loop.stop()


def test_a_fault_of_ours_leaves_nobody_waiting(loop, monkeypatch):
    monkeypatch.setattr(loop.served.core.scheduler, "schedule", lambda: 1 // 0)
    assert isinstance(last(ask(loop, [1], "a")).error, InternalError)
    loop._thread.join(20)
    with pytest.raises(InternalError, match="ZeroDivisionError"):
        ask(loop, [1], "b")


def test_a_receiver_whose_event_loop_is_closed_ends_its_request(loop):
    def gone(update):
        raise RuntimeError("Event loop is closed")

    ask(loop, [1], "gone", 64, gone)
    assert last(ask(loop, [2], "here")).result.token_ids == reference_greedy([2], 10)
    assert loop.served.pool.free_slots == 8 or time.sleep(0.2) or loop.served.pool.free_slots == 8


def test_a_forked_child_is_refused(loop):
    last(ask(loop, [1], "a"))
    child = os.fork()
    if child == 0:
        try:
            ask(loop, [1], "b")
        except GenerationError as error:
            os._exit(7 if "forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert last(ask(loop, [1], "c")).result.token_ids == reference_greedy([1], 10)


EXIT = """
import sys, time
from tyllm.runtime.llm import LLM
from tyllm.runtime.generation.sampling_params import SamplingParams
import threading
llm = LLM(sys.argv[1], 2)
ask = lambda: llm.generate([[1, 2]] * 5000, SamplingParams(max_new_tokens=60, ignore_eos=True), progress=False)
threading.Thread(target=ask, daemon=True).start()
time.sleep(0.3)
"""
LATE = """
import atexit
atexit.register(time.sleep, 0.5)  # called after the engine's end: time for a thread that was told an error
atexit.unregister(engine_loop._stop_all)
atexit.register(engine_loop._stop_all)
"""


@pytest.mark.parametrize("late", ["", "import time\nfrom tyllm.runtime.scheduler import engine_loop" + LATE])
def test_the_interpreter_may_exit_while_it_runs(toy, late):
    done = subprocess.run(
        [sys.executable, "-c", late + EXIT, toy(dies=2)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_left_where_nobody_has_it(toy):
    from tyllm.runtime.llm import LLM

    llm = LLM(toy(dies=2), 2)
    llm.generate([[1]], SamplingParams(max_new_tokens=2), progress=False)
    thread = llm._engine._loop._thread
    del llm
    gc.collect()
    thread.join(20)
    assert not thread.is_alive()


def test_a_note_that_fails_leaves_nobody_waiting(loop):
    begun, done = threading.Event(), threading.Event()
    loop.call(lambda: begun.wait(20))
    loop.call(lambda: 1 // 0)
    loop.call(done.set)
    begun.set()
    assert done.wait(20)


def test_refusals_do_not_add_up(loop):
    loop.stop()
    lengths = []
    for _ in range(3):
        with pytest.raises(GenerationError) as caught:
            ask(loop, [1], "late")
        lengths.append(len(caught.traceback))
    assert lengths[0] == lengths[2]


def test_the_engine_does_not_wait_for_itself(loop):
    errors = SimpleQueue()

    def ask_within():
        try:
            ask(loop, [1], "within")
        except GenerationError as error:
            errors.put(error)

    loop.call(ask_within)
    assert "A logits processor asks the engine that waits for it" in str(errors.get(timeout=20))
