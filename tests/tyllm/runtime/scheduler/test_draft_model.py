"""A draft model follows the sequences of an engine, and whatever it drafts, no text changes."""

import random
import time

import numpy as np
import pytest
from fake_package import UNLUCKY
from tests.tyllm.runtime.scheduler.toy_texts import mixture, reference_greedy

from tyllm.runtime.generation.structured_outputs import StructuredOutputsParams
from tyllm.runtime.prompt.prompt import UNKNOWN, Insert, Prompt
from tyllm.runtime.scheduler.draft_costs import DraftCosts
from tyllm_base.errors import StepError


def totals(found):
    timings = [update.result.timings for update in found.values()]
    return sum(each.drafted_tokens for each in timings), sum(each.accepted_tokens for each in timings)


SAMPLINGS = [
    {},
    {"temperature": 1.5, "top_k": 5},
    {"presence_penalty": 1.0, "logprobs": 2},
    {"stop": ["a", "bc"]},
    {"n": 2, "best_of": 3, "temperature": 1.0, "max_new_tokens": 9},
]


@pytest.mark.parametrize("batches", [(), (4,)])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_drafts_change_no_text(serve, other_toy, sampling, batches):
    """Some drafts are right and others not, beside prompts that are read, with preemption for want of memory."""
    asked, found = dict(enumerate(mixture(random.Random(1), 20))), {}
    for draft in (None, other_toy(batch_sizes=batches)):
        served = serve(rows=16, drafts=5, budget=150, draft=draft)
        if draft is None:
            served.checks._drafts = 0
        for number, (prompt, count) in asked.items():
            options = {"max_new_tokens": count, "seed": number, "logit_bias": {UNLUCKY: -100}} | sampling
            served.add(prompt, number, **options)
        found[draft is not None] = served.run()
        assert served.core.scheduler.running == served.core.scheduler.waiting == []
    for key, update in found[False].items():
        again, result = found[True][key].result, update.result
        assert (again.token_ids, again.text, again.logprobs) == (result.token_ids, result.text, result.logprobs)
        assert (again.finish_reason, again.stop_reason) == (result.finish_reason, result.stop_reason)
    assert served.core.scheduler.preemptions > 0 or "n" in sampling
    assert served.draft.error is None and served.draft._followers == {}
    assert served.draft._pool.free_slots == 8
    drafted, accepted = totals(found[True])
    assert drafted > 100 and 0 < accepted < drafted
    assert totals(found[False]) == (0, 0)


@pytest.mark.parametrize("settings", [{}, {"batch_sizes": (2,)}, {"dies": 2, "seq_lens": (1,)}, {"seq_lens": (4,)}])
def test_its_own_draft_is_always_right(serve, toy, settings):
    """Through pauses, other sequences' steps, and prompts that are longer than a program."""
    served = serve(rows=16, drafts=5, draft=toy(**settings))
    asked = {number: (prompt, count) for number, (prompt, count) in enumerate(mixture(random.Random(2), 12, 30))}
    for number, (prompt, count) in asked.items():
        served.add(prompt, number, max_new_tokens=count)
    found = served.run()
    for number, (prompt, count) in asked.items():
        assert found[str(number), 0].result.token_ids == reference_greedy(prompt, count)
    drafted, accepted = totals(found)
    assert served.draft.error is None and drafted == accepted > 50


def test_steps_are_fewer_where_drafts_are_right(serve, toy):
    steps = []
    served = serve(rows=16, drafts=5, draft=toy())
    served.add([1, 2, 3], "one", max_new_tokens=31)
    served.run(steps.append)
    assert len(steps) == 6  # the prompt's, and five of six tokens


def test_several_are_drafted_for_in_one_step_of_a_package_with_batches(serve, toy, monkeypatch):
    served, rows = serve(rows=16, drafts=3, draft=toy(batch_sizes=(4,))), []
    step = served.draft._runner.step
    monkeypatch.setattr(served.draft._runner, "step", lambda batch: rows.append(len(batch)) or step(batch))
    for number in range(2):
        served.add([number], number, max_new_tokens=20)
    served.run()
    assert set(rows) == {1, 2} and rows.count(2) > 10


@pytest.mark.parametrize("prompt", [Prompt([5, UNKNOWN, 6], (Insert(1, (1, 8), lambda: np.ones((1, 8), np.float32)),))])
def test_a_prompt_with_embeddings_is_left_alone(serve, toy, prompt):
    served = serve(rows=16, drafts=5, draft=toy(), embedding_as_input=True)
    served.add(prompt, "embeddings", max_new_tokens=9)
    served.add([1, 2], "tokens", max_new_tokens=9)
    found = served.run()
    assert found["embeddings", 0].result.timings.drafted_tokens == 0
    assert found["tokens", 0].result.timings.drafted_tokens > 0
    assert found["tokens", 0].result.token_ids == reference_greedy([1, 2], 9)


def test_a_token_that_it_does_not_know_ends_the_drafts_of_its_sequence(serve, toy):
    served = serve(rows=16, drafts=3, draft=toy())
    served.draft._vocab_size = 200
    served.add([1, 255], "unknown", max_new_tokens=9)
    served.add([1, 2], "said later", max_new_tokens=9, logit_bias={255: 100})
    found = served.run()
    assert totals(found) == (found["said later", 0].result.timings.drafted_tokens, 0)
    assert found["unknown", 0].result.token_ids == reference_greedy([1, 255], 9)
    assert found["said later", 0].result.token_ids == [255] * 9
    assert served.draft._pool.free_slots == 8


def test_its_slots_may_be_shorter_and_its_memory_scarce(serve, toy):
    prompts = [[number, *range(20)] for number in range(6)]
    for settings in ({"draft": toy(max_kv_cache_size=32)}, {"draft": toy(), "draft_budget": 40}):
        served = serve(rows=16, drafts=5, **settings)
        for number, prompt in enumerate(prompts):
            served.add(prompt, number, max_new_tokens=30)
        found = served.run()
        assert [found[str(n), 0].result.token_ids for n in range(6)] == [reference_greedy(p, 30) for p in prompts]
        drafted, accepted = totals(found)
        assert 0 < drafted == accepted < 6 * 20 and served.draft.error is None
        assert served.draft._pool.used_bytes <= settings.get("draft_budget", 10_000)


def test_what_goes_wrong_in_it_ends_the_drafts_and_no_request(serve, toy, monkeypatch, caplog):
    served, steps = serve(rows=16, drafts=5, draft=toy()), []
    step = served.draft._runner.step

    def failing(batch):
        steps.append(1)
        if len(steps) > 8:
            raise StepError("A step failed.")
        return step(batch)

    monkeypatch.setattr(served.draft._runner, "step", failing)
    for number in range(5):
        served.add([number, 7], number, max_new_tokens=20)
    found = served.run()
    assert [found[str(n), 0].result.token_ids for n in range(5)] == [reference_greedy([n, 7], 20) for n in range(5)]
    assert len(steps) == 9 and totals(found)[0] > 0
    assert [record.getMessage() for record in caplog.records] == [
        "The draft model failed, and requests go on without drafts: A step failed."
    ]


def test_requests_may_end_at_any_time(serve, other_toy):
    served = serve(rows=16, drafts=5, draft=other_toy(), budget=120)
    rng, prompts = random.Random(5), {}
    for number in range(40):
        prompts[str(number), 0] = [number] * rng.randrange(1, 20)
        served.add(prompts[str(number), 0], number, max_new_tokens=20, timeout=[None, 0.01][number % 2])

    def disturb(step):
        if step % 3 == 0:
            served.core.abort(str(rng.randrange(40)))
        if step == 10:
            time.sleep(0.02)

    found = served.run(disturb)
    assert {update.result.finish_reason for update in found.values()} == {"length", "abort", "timeout"}
    for key, update in found.items():
        tokens = update.result.token_ids
        assert tokens == reference_greedy(prompts[key], len(tokens))
    assert served.draft._followers == {} and served.draft._pool.free_slots == 8 and served.draft.error is None


def test_a_text_of_a_given_form(serve, toy):
    served = serve(rows=16, drafts=4, draft=toy())
    form = StructuredOutputsParams(regex="[ab]{6}c")
    served.add([1, 2], "form", max_new_tokens=20, structured_outputs=form, ignore_eos=False)
    result = served.run()["form", 0].result
    assert len(result.text) == 7 and set(result.text[:6]) <= {"a", "b"} and result.text[6] == "c"


class Costs(DraftCosts):
    """A drafted token takes as long as a step without drafts, or a tenth of that."""

    def __init__(self, price):
        super().__init__()
        self.price = price

    def note(self, drafted, seconds):
        return super().note(drafted, 1.0 + self.price * sum(drafted))


def test_drafts_that_do_not_pay_are_left_out(serve, toy):
    drafted = {}
    for price in (0.1, 1.1):
        served = serve(rows=16, drafts=2, draft=toy(), costs=Costs(price))
        served.add([1, 2, 3], "one", max_new_tokens=60)
        result = served.run()["one", 0].result
        assert result.token_ids == reference_greedy([1, 2, 3], 60)
        drafted[price] = result.timings.drafted_tokens
    assert drafted[0.1] > 36 and drafted[1.1] <= 24
