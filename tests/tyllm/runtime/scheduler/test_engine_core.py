"""Many requests over one engine: each is given what it is given alone, whatever happens to the others."""

import random
import time

import pytest
from fake_package import UNLUCKY
from tests.tyllm.runtime.scheduler.toy_texts import mixture, reference_greedy

from tyllm.runtime.generation import drafter
from tyllm.runtime.generation.prompt_lookup import PromptLookup
from tyllm.runtime.scheduler.engine_core import LEAST_KEPT
from tyllm_base.errors import GenerationError, StepError


@pytest.mark.parametrize(
    ("budget", "rows", "shares"),
    [(10_000, 0, True), (10_000, 0, False), (150, 0, True), (90, 0, True), (10_000, 12, True), (200, 20, True),
     (130, 32, False)],
)  # fmt: skip
def test_each_is_given_what_it_is_given_alone(serve, budget, rows, shares):
    served, rng = serve(budget=budget, rows=rows, shares=shares), random.Random(0)
    asked = dict(enumerate(mixture(rng, 80)))
    for number, (prompt, count) in asked.items():
        served.add(prompt, number, max_new_tokens=count)
    found = served.run()
    for number, (prompt, count) in asked.items():
        update = found[str(number), 0]
        room = 64 - len(prompt) + 1
        expected = reference_greedy(prompt, min(count, room))
        if update.result.finish_reason == "cache_full" and len(expected) > len(update.result.token_ids):
            assert budget < 64 + 32  # the memory of all ended it
            expected = expected[: len(update.result.token_ids)]
        assert update.result.token_ids == expected
    cached = sum(update.result.timings.cached_tokens for update in found.values())
    assert (cached > 200) == shares
    assert served.pool.used_bytes <= budget
    assert served.core.scheduler.running == served.core.scheduler.waiting == []


def test_the_youngest_makes_room_and_is_read_again(serve):
    served = serve(budget=80, running=3)
    for number in range(3):
        served.add([number + 1] * 10, number, max_new_tokens=40)
    found = served.run()
    assert served.core.scheduler.preemptions > 0
    for number in range(3):
        result = found[str(number), 0].result
        assert result.token_ids == reference_greedy([number + 1] * 10, 40)
        assert result.timings.new_tokens == 40
    assert found["0", 0].result.timings.cached_tokens == 0


def test_memory_for_one_only_ends_it_and_says_so(serve):
    served = serve(budget=40)
    served.add([1, 2, 3], 0, max_new_tokens=60)
    result = served.run()["0", 0].result
    assert result.finish_reason == "cache_full"
    assert result.token_ids == reference_greedy([1, 2, 3], 38)
    with pytest.raises(GenerationError, match="33 tokens do not fit into the memory"):
        served.add([1] * 33, 1)
    served.add([1] * 32, 2, max_new_tokens=1)
    assert served.run()["2", 0].result.finish_reason == "length"


@pytest.mark.parametrize("rows", [0, 12])
def test_abort_at_any_moment_frees_the_slot_within_a_step(serve, rows):
    served, rng = serve(rows=rows, budget=300), random.Random(8)
    alive = {}
    for number, (prompt, _) in enumerate(mixture(rng, 60)):
        served.add(prompt, number, max_new_tokens=64)
        alive[str(number)] = prompt

    def abort_some(step):
        if step % 3 == 0 and alive:
            gone = rng.choice(list(alive))
            served.core.abort(gone)
            assert all(each.request_id != gone for each in served.core.scheduler.running)
            del alive[gone]

    found = served.run(abort_some)
    assert served.pool.free_slots == 8
    reasons = [update.result.finish_reason for update in found.values()]
    assert len(found) == 60 and reasons.count("abort") > 30
    for update in found.values():
        assert update.result.token_ids == reference_greedy(alive_prompt(update, 8), len(update.result.token_ids))
    served.add([4, 4], "next", max_new_tokens=5)
    assert served.run()["next", 0].result.token_ids == reference_greedy([4, 4], 5)
    served.core.abort("next")
    served.core.abort("nobody")
    assert not served.core.has_work


def alive_prompt(update, seed):
    """The prompt of a request of the mixture of a seed."""
    return list(mixture(random.Random(seed), 60))[int(update.request_id)][0]


def test_a_deadline_ends_with_what_there_is(serve):
    served = serve()
    served.add([1, 2], "late", timeout=1e-9, max_new_tokens=50)
    served.add([1, 3], "long", timeout=3600, max_new_tokens=50)
    served.add([1, 4], "free", max_new_tokens=50)

    def let_time_pass(step):
        if step == 10:
            ((_, order, sequence),) = served.core._deadlines
            served.core._deadlines[0] = (time.monotonic(), order, sequence)

    found = served.run(let_time_pass)
    assert found["late", 0].result.finish_reason == "timeout" and found["late", 0].result.token_ids == []
    part = found["long", 0].result
    assert part.finish_reason == "timeout" and part.token_ids == reference_greedy([1, 3], len(part.token_ids))
    assert 0 < len(part.token_ids) < 50
    assert found["free", 0].result.finish_reason == "length"


@pytest.mark.parametrize("rows", [0, 12])
def test_what_goes_wrong_ends_one_request_alone(serve, rows, monkeypatch):
    served = serve(rows=rows)
    prompts = {0: [1, 2], 1: [3, UNLUCKY, 4], 2: [5] * 20, 3: [6, 7]}
    for number, prompt in prompts.items():
        served.add(prompt, number, max_new_tokens=20)
    (spoiled,) = [each for each in served.core.scheduler.waiting if each.request_id == "3"]
    monkeypatch.setattr(spoiled.state._sampler, "pick", lambda *_: 1 // 0)
    found = served.run()
    assert isinstance(found["1", 0].error, StepError) and "unlucky" in str(found["1", 0].error)
    assert "ZeroDivisionError" in str(found["3", 0].error)
    assert [found[name, 0].result.finish_reason for name in ("1", "3")] == ["error", "error"]
    for number in (0, 2):
        assert found[str(number), 0].result.token_ids == reference_greedy(prompts[number], 20)
    assert served.pool.free_slots == 8


def test_prompts_that_came_together_share_what_the_first_has_read(serve):
    served = serve(running=4)
    stem = list(range(40))
    for number in range(4):
        served.add([*stem, 100 + number], number, max_new_tokens=3)
    found = served.run()
    assert [found[str(n), 0].result.timings.cached_tokens for n in range(4)] == [0, 40, 40, 40]
    assert sum(update.result.timings.prompt_tokens for update in found.values()) == 41 + 3


def test_prompts_in_one_step_do_not_read_the_same_twice(serve):
    served = serve(rows=32)
    served.add([1], "decodes", max_new_tokens=40)
    served.core.step()
    stem = list(range(20))
    for number in range(3):
        served.add([*stem, 100 + number], number, max_new_tokens=3)
    served.add([200, 201], "other", max_new_tokens=3)
    found = served.run()
    assert [found[str(n), 0].result.timings.cached_tokens for n in range(3)] == [0, 20, 20]
    assert found["other", 0].result.token_ids == reference_greedy([200, 201], 3)


def test_a_conversation_goes_on_in_its_slot(serve):
    served = serve()
    served.add([1, 2, 3], 0, max_new_tokens=10)
    text = served.run()["0", 0].result.token_ids
    served.add([1, 2, 3, *text, 9], 1, max_new_tokens=2)
    timings = served.run()["1", 0].result.timings
    assert (timings.cached_tokens, timings.prompt_tokens) == (12, 2)  # the last token of the text was never fed


def test_nobody_starves_while_others_decode(serve):
    served = serve(running=3, rows=0, seq_lens=(1, 8))
    for number in range(3):
        served.add([number], number, max_new_tokens=50)
    for _ in range(12):
        served.core.step()
    served.core.abort("0")
    served.add([9] * 40, "prompt", max_new_tokens=1)
    lengths = [len(each.state.result.token_ids) for each in served.core.scheduler.running]
    steps = 0
    while not any(update.request_id == "prompt" for update in served.core.step()):
        steps += 1
    now = [len(each.state.result.token_ids) for each in served.core.scheduler.running]
    assert steps <= 11  # five chunks of eight, and a step for the others between them
    assert all(after >= before + 4 for before, after in zip(lengths, now, strict=True))


class Oracle(PromptLookup):
    """Drafts what the toy model will say, or now and then something else."""

    def draft(self, count):
        rng = random.Random(str(self._tokens))
        right = reference_greedy(self._tokens, count)
        at = rng.randrange(2 * count)
        return [*right[:at], (right[at] + 1) % 250, *right[at + 1 :]] if at < count else right


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.5, "top_k": 5}, {"presence_penalty": 1.0, "logprobs": 2}])
def test_drafts_change_no_text(serve, sampling, monkeypatch):
    """Right drafts and wrong ones, beside prompts that are read, up to the last token of a slot and of a text."""
    monkeypatch.setattr(drafter, "PromptLookup", Oracle)
    asked = dict(enumerate(mixture(random.Random(1), 40)))
    found = {}
    for drafts in (0, 5):
        served = serve(rows=16, drafts=drafts, budget=150)
        for number, (prompt, count) in asked.items():
            served.add(prompt, number, max_new_tokens=count, seed=number, **sampling)
        found[drafts] = served.run()
        assert served.core.scheduler.running == served.core.scheduler.waiting == []
    for key, update in found[0].items():
        again = found[5][key].result
        assert again.token_ids == update.result.token_ids and again.finish_reason == update.result.finish_reason
        assert again.logprobs == update.result.logprobs and again.text == update.result.text
    timings = [update.result.timings for update in found[5].values()]
    drafted, accepted = (sum(getattr(each, name) for each in timings) for name in ("drafted_tokens", "accepted_tokens"))
    assert drafted > 100 and 0 < accepted < drafted
    if not sampling:
        assert accepted > drafted / 4
    assert not any(update.result.timings.drafted_tokens for update in found[0].values())


def test_what_a_slot_keeps_after_drafts_is_what_was_said(serve, monkeypatch):
    monkeypatch.setattr(drafter, "PromptLookup", Oracle)
    served = serve(rows=16, drafts=5)
    served.add([1, 2, 3], "first", max_new_tokens=20)
    text = served.run()["first", 0].result.token_ids
    assert text == reference_greedy([1, 2, 3], 20)
    served.add([1, 2, 3, *text, 7], "second", max_new_tokens=5)
    result = served.run()["second", 0].result
    assert result.token_ids == reference_greedy([1, 2, 3, *text, 7], 5)
    assert result.timings.cached_tokens == 22  # the last token of the first text was not fed


def test_steps_are_fewer_where_drafts_are_right(serve, monkeypatch):
    monkeypatch.setattr(Oracle, "draft", lambda self, count: reference_greedy(self._tokens, count))
    monkeypatch.setattr(drafter, "PromptLookup", Oracle)
    steps = []
    served = serve(rows=16, drafts=5)
    served.add([1, 2, 3], "one", max_new_tokens=31)
    served.run(steps.append)
    assert len(steps) == 6  # the prompt's, and five of six tokens


@pytest.mark.parametrize("others", [0, 2])
def test_a_draft_that_a_step_cannot_take_ends_no_request(serve, monkeypatch, others):
    monkeypatch.setattr(Oracle, "draft", lambda self, count: [*reference_greedy(self._tokens, 1), UNLUCKY][:count])
    monkeypatch.setattr(drafter, "PromptLookup", Oracle)
    served = serve(rows=16, drafts=5)
    for number in range(1 + others):
        served.add([number, 2, 3], number, max_new_tokens=20)
    found = served.run()
    for number in range(1 + others):
        assert found[str(number), 0].result.token_ids == reference_greedy([number, 2, 3], 20)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exit_in_a_processor_ends_its_request_alone(serve, kind):
    def leave(tokens, logits):
        raise kind

    served = serve()
    served.add([1], "exits", max_new_tokens=3, logits_processors=[leave])
    served.add([2], "stays", max_new_tokens=3)
    found = served.run()
    with pytest.raises(GenerationError, match=f"raised {kind.__name__}"):
        raise found["exits", 0].error
    assert found["stays", 0].result.token_ids == reference_greedy([2], 3)


def test_sequences_are_not_kept_until_their_deadlines(serve):
    served = serve()
    for number in range(300):
        served.add([number % 200], number, timeout=1e6, max_new_tokens=1)
        served.run()
    assert len(served.core._deadlines) <= LEAST_KEPT + 1
    served.add([1], "late", timeout=1e-9)
    assert served.run()["late", 0].result.finish_reason == "timeout"
