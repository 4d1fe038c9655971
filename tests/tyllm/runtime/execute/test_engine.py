"""The engine's threads, memory and errors."""

import multiprocessing
import resource
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_package import UNLUCKY, reference_logits
from msgspec import structs

from tyllm.package import open_package
from tyllm.runtime import Session
from tyllm.runtime.execute import executor
from tyllm.runtime.execute.engine import Engine
from tyllm_base.errors import GenerationError, PackageError, StepError, TyllmError


@pytest.mark.parametrize("threads", [1, 2, 5, 8])
@pytest.mark.parametrize("dies", [1, 2, 3, 4])
def test_any_number_of_threads_gives_the_same_logits(toy, dies, threads):
    tokens = [1, 200, 30, 4] * 5
    with Session(toy(dies=dies), threads=threads) as session:
        assert session.threads == max(1, threads // dies) * dies
        assert np.array_equal(session.logits(tokens), reference_logits(tokens))


@pytest.mark.parametrize("spin_ns", [0, 100_000])
def test_spinning_changes_nothing(toy, monkeypatch, spin_ns):
    monkeypatch.setattr(executor, "SPIN_NS", spin_ns)
    monkeypatch.setattr(executor, "available_threads", lambda: 4)
    with Session(toy(dies=2), threads=4) as session:
        assert np.array_equal(session.logits([5, 6]), reference_logits([5, 6]))


def test_pinned_threads(toy):
    with Session(toy(dies=2), threads=4, pin=True) as session:
        assert np.array_equal(session.logits([5, 6]), reference_logits([5, 6]))


@pytest.mark.parametrize("dies", [1, 2, 4])
def test_a_failing_worker_is_an_error_and_the_next_step_works(toy, dies):
    with Session(toy(dies=dies), threads=2 * dies) as session:
        for _ in range(3):
            with pytest.raises(
                StepError, match=rf"body of die {dies - 1}, worker \d: ValueError: a token is unlucky"
            ) as caught:
                session.logits([1, 2, UNLUCKY])
            assert caught.value.exit_code == 1
            assert np.array_equal(session.logits([1, 2, 3]), reference_logits([1, 2, 3]))


def test_a_failed_step_leaves_the_conversation_as_it_was(toy):
    with Session(toy(dies=2)) as session:
        conversation = session.conversation()
        conversation.append([1, 2])
        with pytest.raises(StepError):
            conversation.append([3, UNLUCKY, 4])
        assert conversation.tokens == [1, 2]
        assert np.array_equal(conversation.append([5]), reference_logits([1, 2, 5]))


def test_a_child_process_refuses_to_run_the_parents_session(toy):
    def child(queue):
        try:
            session.logits([1])
        except GenerationError as error:
            queue.put(str(error))
        session.close()

    with Session(toy(dies=2)) as session:
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        assert "before a fork" in queue.get(timeout=30)
        process.join(30)
        assert process.exitcode == 0
        assert np.array_equal(session.logits([1]), reference_logits([1]))


def test_an_idle_session_uses_no_cpu(toy):
    with Session(toy(dies=2), threads=4) as session:
        session.logits([1])
        before = resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(0.3)
        after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.1


def test_close_ends_the_threads_and_twice_is_fine(toy):
    others = _workers()  # of tests before this one
    session = Session(toy(dies=2), threads=4)
    assert _workers() - others == 3
    session.close()
    session.close()
    assert _workers() == others
    with pytest.raises(GenerationError, match="closed"):
        session.logits([1])


def _workers():
    """The threads of this process that run a die."""
    return sum(path.read_text().startswith("die") for path in Path("/proc/self/task").glob("*/comm"))


def test_steps_from_several_threads_take_turns(toy):
    with Session(toy(dies=2), slots=4) as session:
        wrong = []

        def work(slot):
            for n in range(20):
                tokens = [slot, n, 7] * 4
                if not np.array_equal(session.logits(tokens, slot=slot), reference_logits(tokens)):
                    wrong.append((slot, n))

        threads = [threading.Thread(target=work, args=(slot,)) for slot in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not wrong


def test_an_interrupted_session_goes_on(toy):
    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Session(toy(dies=2), threads=4) as session:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                while True:
                    session.logits([1, 2, 3])
            assert np.array_equal(session.logits([4, 5]), reference_logits([4, 5]))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_each_slot_has_its_own_cache(toy):
    loaded = Engine(open_package(toy(dies=2)), workers=1, slots=2)
    for slot in range(2):
        for layer in loaded.kv_views(1, slot):
            layer["k"][:] = slot
    assert [int(loaded.kv_views(1, slot)[0]["k"].max()) for slot in range(2)] == [0, 1]
    assert loaded.kv_views(0, 0)[0]["k"].shape == (1, 5, 1, 16)
    assert loaded.kv_views(0, 0)[0]["v"].shape == (1, 80, 1)
    loaded.close()


def test_more_memory_than_the_system_gives(toy, monkeypatch):
    package = open_package(toy(dies=1))
    (die,) = package.buffers.dies
    monkeypatch.setattr(executor, "needs_of", lambda library, *_: library.tyllm_needs_of(b"llm_body"))
    greedy = replace(package, buffers=structs.replace(package.buffers, dies=(structs.replace(die, kv_bytes=1 << 46),)))
    with pytest.raises(TyllmError, match=r"refuses memory for 1 dies and 2 slots \(.*\); ask for fewer slots"):
        Engine(greedy, workers=1, slots=2)


def test_a_place_that_the_code_was_not_compiled_for(toy):
    package = open_package(toy(dies=1))
    (die,) = package.buffers.dies
    moved = structs.replace(die, layers=tuple(structs.replace(e, k_offset=e.v_offset) for e in die.layers))
    forged = replace(package, buffers=structs.replace(package.buffers, dies=(moved,)))
    with pytest.raises(PackageError, match="was compiled for other sizes and places in memory"):
        Engine(forged, workers=1, slots=1)
