"""Which chunks a step has: decoding rows first, prompts beside them or in turns, images when they are ready."""

import itertools
import time
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np

from tyllm.runtime.prompt.prompt import Insert, Prompt
from tyllm.runtime.scheduler import engine_core
from tyllm_base.errors import StepError


def shape(batch):
    return [(sequence.request_id, len(chunk.prompt), chunk.logits) for sequence, chunk in batch]


def steps(served, count):
    """What the next steps feed."""
    found, schedule = [], served.core.scheduler.schedule

    def seen():
        batch = schedule()
        found.append(shape(batch))
        return batch

    served.core.scheduler.schedule = seen
    for _ in range(count):
        served.core.step()
    served.core.scheduler.schedule = schedule
    return found


def test_without_batch_programs_prompts_and_decoding_take_turns(serve):
    served = serve(running=3, seq_lens=(1, 8))
    served.add([1] * 3, "a", max_new_tokens=20)
    served.add([2] * 20, "b", max_new_tokens=20)
    assert steps(served, 7) == [
        [("a", 3, "last")],
        [("a", 1, "last")],
        [("b", 8, "none")],
        [("a", 1, "last")],
        [("b", 8, "none")],
        [("a", 1, "last")],
        [("b", 4, "last")],
    ]
    assert steps(served, 1) == [[("a", 1, "last"), ("b", 1, "last")]]


def test_with_them_prompts_ride_along(serve, monkeypatch):
    served, ticks = serve(running=4, rows=12), itertools.count()
    monkeypatch.setattr(
        engine_core, "time", SimpleNamespace(monotonic=time.monotonic, perf_counter=lambda: next(ticks))
    )
    for name, count in (("a", 3), ("b", 20), ("c", 5)):
        served.add([ord(name)] * count, name, max_new_tokens=20)
    assert steps(served, 4) == [
        [("a", 3, "last")],
        [("a", 1, "last"), ("b", 7, "none")],
        [("a", 1, "last"), ("b", 11, "none")],
        [("a", 1, "last"), ("b", 2, "last"), ("c", 5, "last")],
    ]


def test_as_much_is_read_beside_others_as_the_times_of_steps_allow(serve, monkeypatch):
    served = serve(running=4, rows=12)
    seconds = iter([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 4.0, 0.0, 1.0])
    served.add([1] * 3, "a", max_new_tokens=20)
    served.core.step()
    clock = SimpleNamespace(monotonic=time.monotonic, perf_counter=lambda: next(seconds))
    monkeypatch.setattr(engine_core, "time", clock)
    assert steps(served, 2) == [[("a", 1, "last")]] * 2
    served.add([2] * 40, "b", max_new_tokens=20)
    assert [batch[1] for batch in steps(served, 3)] == [("b", 7, "none"), ("b", 11, "none"), ("b", 7, "none")]


def test_more_decode_than_a_program_takes(serve):
    served = serve(slots=6, running=6, rows=4)
    for number in range(6):
        served.add([number], number, max_new_tokens=60)
    batches = steps(served, 60)
    assert max(map(len, batches)) == 4
    fed = [sum(str(number) in {name for name, _, _ in batch} for batch in batches[12:]) for number in range(6)]
    assert max(fed) - min(fed) <= 3


def test_first_come_first_served(serve):
    served = serve(running=2, seq_lens=(1, 8))
    for name in "abcd":
        served.add([ord(name)], name, max_new_tokens=3)
    names = [sorted({name for name, _, _ in batch}) for batch in steps(served, 6)]
    assert names[:4] == [["a"], ["a"], ["b"], ["a", "b"]]
    assert [each.request_id for each in served.core.scheduler.waiting] == ["d"]


def test_images_that_are_computed_let_others_pass(serve):
    pending: list[Future] = []

    def embed(prompt):
        pending.append(Future())
        return pending[-1]

    served = serve(embed=embed, embedding_as_input=True)
    image = Prompt([1, 9, 2], (Insert(1, (1, 8), lambda: np.zeros((1, 8), np.float32), "cat"),))
    served.add(image, "image", max_new_tokens=2)
    assert served.core.step() == [] and served.core.is_stalled
    served.add([4], "text", max_new_tokens=2)
    assert steps(served, 1) == [[("text", 1, "last")]] and not served.core.is_stalled
    pending[0].set_result(0.5)
    assert served.run()["image", 0].result.timings.prompt_tokens == 3
    served.add(image, "again", max_new_tokens=2)  # nothing of it has to be computed
    assert served.run()["again", 0].result.timings.cached_tokens == 2
    assert len(pending) == 1


def test_images_that_fail_end_their_request_alone(serve):
    def embed(prompt):
        failed = Future()
        failed.set_exception(StepError("The tower failed."))
        return failed

    served = serve(embed=embed, embedding_as_input=True)
    image = Prompt([9], (Insert(0, (1, 8), lambda: None, "cat"),))
    served.add(image, "image", max_new_tokens=2)
    served.add([4], "text", max_new_tokens=2)
    found = served.run()
    assert found["image", 0].result.finish_reason == "error" and "tower" in str(found["image", 0].error)
    assert found["text", 0].result.finish_reason == "length"


def test_an_aborted_request_needs_no_embeddings(serve):
    pending = Future()
    served = serve(embed=lambda prompt: pending, embedding_as_input=True)
    served.add(Prompt([9], (Insert(0, (1, 8), lambda: None, "cat"),)), "image")
    served.core.step()
    served.core.abort("image")
    assert pending.cancelled() and served.run()["image", 0].result.finish_reason == "abort"
