"""A request that is left or aborted while its prompt is made is not begun, or ended."""

import asyncio
import threading

import pytest
from fake_package import reference_greedy

from tyllm.runtime import AsyncLLM
from tyllm.runtime.generation.sampling_params import SamplingParams


@pytest.fixture
def slow(toy):
    """An engine that makes a prompt when it may: the events that say that it has begun to, and that it may go on."""
    llm = AsyncLLM(toy(dies=2), 2)
    begun, go_on, made = threading.Event(), threading.Event(), llm._engine.model.prompt_builder.of

    def wait(*arguments):
        begun.set()
        go_on.wait(20)
        return made(*arguments)

    llm._engine.model.prompt_builder.of = wait
    return llm, begun, go_on


def params(count):
    return SamplingParams(max_new_tokens=count, ignore_eos=True)


def test_cancelled_while_the_prompt_is_made(slow):
    llm, begun, go_on = slow

    async def main():
        task = asyncio.ensure_future(anext(llm.generate([1], params(60))))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        outputs = [output async for output in llm.generate([2], params(5))]
        assert outputs[-1].outputs[0].token_ids == reference_greedy([2], 5)
        assert not llm._engine._loop._receivers
        await llm.close()

    asyncio.run(main())


def test_aborted_while_the_prompt_is_made(slow):
    llm, begun, go_on = slow

    async def last(outputs):
        return [output async for output in outputs][-1]

    async def main():
        task = asyncio.ensure_future(last(llm.generate([1], params(60), request_id="early")))
        await asyncio.to_thread(begun.wait, 20)
        await llm.abort("early")
        await llm.abort("another")
        go_on.set()
        output = await task
        assert output.finished and output.outputs[0].finish_reason == "abort"
        assert (await last(llm.generate([1], params(5), request_id="early"))).outputs[0].finish_reason == "length"
        assert not llm._engine._loop._receivers and not llm._engine._preparing
        await llm.close()

    asyncio.run(main())
