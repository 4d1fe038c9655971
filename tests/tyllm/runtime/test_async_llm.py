"""`AsyncLLM`: many tasks over one engine, left, cancelled and aborted at any moment, and an event loop that is free."""

import asyncio
import random
import time
from itertools import chain, pairwise

import pytest
from fake_package import UNLUCKY, reference_greedy

from tyllm.runtime import AsyncLLM
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm_base.errors import GenerationError, PackageError, SettingError, StepError


def params(count=12, **options):
    return SamplingParams(max_new_tokens=count, ignore_eos=True, **options)


@pytest.fixture
def llm(toy):
    opened = AsyncLLM(toy(dies=2, max_kv_cache_size=512), 2, max_num_seqs=3)
    yield opened
    asyncio.run(opened.close())


async def last_of(outputs):
    output = None
    async for output in outputs:  # noqa: B007
        pass
    return output


def test_outputs_grow_to_what_is_given_alone(llm):
    async def main():
        async def one(number):
            seen = [output async for output in llm.generate([number, 3], params(), request_id=str(number))]
            texts = [output.outputs[0].text for output in seen]
            assert all(later.startswith(text) for text, later in pairwise(texts))
            assert [output.finished for output in seen] == [False] * (len(seen) - 1) + [True]
            assert {output.request_id for output in seen} == {str(number)}
            return seen[-1].outputs[0].token_ids

        found = await asyncio.gather(*map(one, range(20)))
        assert found == [reference_greedy([number, 3], 12) for number in range(20)]

    asyncio.run(main())


def test_deltas_add_up(llm):
    async def main():
        whole = await last_of(llm.generate("Hello", params(30, logprobs=1)))
        parts = [output async for output in llm.generate("Hello", params(30, logprobs=1), delta=True)]
        results = [output.outputs[0] for output in parts]
        assert "".join(result.text for result in results) == whole.outputs[0].text
        assert list(chain.from_iterable(result.token_ids for result in results)) == whole.outputs[0].token_ids
        assert list(chain.from_iterable(result.logprobs for result in results)) == whole.outputs[0].logprobs
        assert results[-1].finish_reason == "length" and parts[-1].prompt == "Hello"

    asyncio.run(main())


def test_left_cancelled_and_aborted_requests_leave_a_free_slot(llm):
    async def main():
        rng, reasons = random.Random(2), set()

        async def leave(number):
            async for output in llm.generate([number], params(400)):
                if len(output.outputs[0].token_ids) > rng.randrange(30):
                    break

        async def abort(number):
            outputs = llm.generate([number], params(400), request_id=f"abort {number}")
            async for output in outputs:
                if not output.finished and len(output.outputs[0].token_ids) > 3:
                    await llm.abort(f"abort {number}")
            reasons.add(output.outputs[0].finish_reason)
            assert output.outputs[0].token_ids == reference_greedy([number], len(output.outputs[0].token_ids))

        async def cancel(number):
            task = asyncio.ensure_future(last_of(llm.generate([number] * 300, params(200))))
            await asyncio.sleep(rng.random() * 0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        await asyncio.gather(*(job(number) for number in range(12) for job in (leave, abort, cancel)))
        assert "abort" in reasons <= {"abort", "length"}  # a busy machine may have written all before it hears of it
        start = time.perf_counter()
        assert (await last_of(llm.generate([7], params()))).outputs[0].token_ids == reference_greedy([7], 12)
        assert time.perf_counter() - start < 5
        scheduler = llm._engine._loop._core.scheduler
        assert scheduler.running == scheduler.waiting == [] and not llm._engine._loop._receivers

    asyncio.run(main())


def test_the_event_loop_is_never_blocked(llm):
    async def main():
        longest, stop = 0.0, False

        async def watch():
            nonlocal longest
            while not stop:
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - before)

        watcher = asyncio.ensure_future(watch())
        build = llm._engine.model.prompt_builder.of

        def slow(*arguments):
            time.sleep(1.5)
            return build(*arguments)

        llm._engine.model.prompt_builder.of = slow
        await asyncio.gather(*(last_of(llm.generate([n], params(100))) for n in range(3)))
        stop = True
        await watcher
        assert longest < 1.0

    asyncio.run(main())


def test_a_slow_reader_is_given_the_rest_at_once(llm):
    async def main():
        outputs = llm.generate([1], params(60), delta=True)
        first = await anext(outputs)
        await asyncio.sleep(0.5)
        found = [first, *[output async for output in outputs]]
        assert len(found) <= 3 and found[-1].finished
        tokens = list(chain.from_iterable(output.outputs[0].token_ids for output in found))
        assert tokens == reference_greedy([1], 60)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("prompt", "given", "error", "sentence"),
    [([1] * 600, None, GenerationError, "more than the 512"), (b"x", None, GenerationError, "is no prompt"),
     ([UNLUCKY], None, StepError, "unlucky"), ([1], "hot", GenerationError, "give a SamplingParams")],
)  # fmt: skip
def test_what_is_wrong_is_raised(llm, prompt, given, error, sentence):
    with pytest.raises(error, match=sentence):
        asyncio.run(last_of(llm.generate(prompt, given)))


def test_names_belong_to_one_running_request(llm):
    async def main():
        first = llm.generate([1], params(400), request_id="mine")
        await anext(first)
        with pytest.raises(GenerationError, match="'mine' is running already"):
            await anext(llm.generate([2], params(), request_id="mine"))
        await first.aclose()
        while llm._engine._loop._receivers:
            await asyncio.sleep(0.01)
        assert (await last_of(llm.generate([2], params(), request_id="mine"))).finished

    asyncio.run(main())


def test_timeouts_and_chats(llm):
    async def main():
        late = (await last_of(llm.generate([1], params(500), timeout=0.02))).outputs[0]
        assert late.finish_reason == "timeout" and late.token_ids == reference_greedy([1], len(late.token_ids))
        hello = [{"role": "user", "content": "Hello"}]
        assert (await last_of(llm.chat(hello, params()))).finished
        with pytest.raises(GenerationError, match="2 conversations"):
            await anext(llm.chat([hello, hello]))

    asyncio.run(main())


def test_closing_ends_what_runs(toy):
    async def main():
        async with AsyncLLM(toy(dies=2, max_kv_cache_size=512), 2) as llm:
            running = llm.generate([1], params(500))
            await anext(running)
        with pytest.raises(GenerationError, match="engine was closed"):
            await last_of(running)
        with pytest.raises(GenerationError, match="closed"):
            await anext(llm.generate([1]))
        await llm.abort("nobody")
        await llm.close()

    asyncio.run(main())


def test_what_cannot_be_opened(toy, tmp_path):
    with pytest.raises(PackageError):
        AsyncLLM(tmp_path)
    with pytest.raises(SettingError, match="max_num_seqs"):
        AsyncLLM(toy(dies=2), max_num_seqs=0)


def test_texts_that_are_compared_come_at_the_end(llm):
    async def main():
        sampled = {"max_new_tokens": 9, "ignore_eos": True, "temperature": 1.0, "seed": 1, "top_k": 5}
        best = [output async for output in llm.generate([1], SamplingParams(best_of=3, **sampled), delta=True)]
        assert len(best) == 1 and len(best[0].outputs) == 1 and len(best[0].outputs[0].token_ids) == 9
        several = await last_of(llm.generate([1], SamplingParams(n=3, **sampled)))
        assert best[0].outputs[0].token_ids in [result.token_ids for result in several.outputs]

    asyncio.run(main())


@pytest.mark.parametrize("name", [None, 3, [], b"x"])
def test_a_name_that_is_no_text_ends_nothing(llm, name):
    async def main():
        running = llm.generate([1], params(), request_id="mine")
        first = await anext(running)  # on a busy machine all of it
        with pytest.raises(GenerationError, match="request_id is"):
            await llm.abort(name)
        assert (await last_of(running) or first).outputs[0].token_ids == reference_greedy([1], 12)
        if name is not None:
            with pytest.raises(GenerationError, match="request_id is"):
                await anext(llm.generate([1], params(), request_id=name))
        with pytest.raises(GenerationError, match="delta is"):
            await anext(llm.generate([1], params(), delta=3))

    asyncio.run(main())
