"""`AsyncLLM` as an engine of a closed loop."""

import asyncio
from pathlib import Path

from tyllm import AsyncLLM, SamplingParams


class AsyncRequests:
    """A package with an event loop of its own; each request is followed by a task of it."""

    def __init__(self, package: Path, threads: int, streams: int) -> None:
        self._llm = AsyncLLM(package, threads, max_num_seqs=streams, enable_prefix_caching=False)
        self._loop = asyncio.new_event_loop()
        self._heard: asyncio.Queue[tuple[int, int] | BaseException] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self.capacity = self._llm.info.max_kv_cache_size

    def add(self, number: int, tokens: list[int], new: int) -> None:
        """As in `StreamEngine`."""
        task = self._loop.create_task(self._follow(number, tokens, new))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def step(self) -> list[tuple[int, int]]:
        """As in `StreamEngine`; raises what a request ended with."""
        return self._loop.run_until_complete(self._next())

    def close(self) -> None:
        """End what runs, and the engine."""
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._llm.close()

    async def _follow(self, number: int, tokens: list[int], new: int) -> None:
        params = SamplingParams(max_new_tokens=new, temperature=0, ignore_eos=True)
        try:
            async for output in self._llm.generate(tokens, params, delta=True):
                self._heard.put_nowait((number, len(output.outputs[0].token_ids)))
        except Exception as error:
            self._heard.put_nowait(error)

    async def _next(self) -> list[tuple[int, int]]:
        """What was heard, as soon as there is anything."""
        if self._heard.empty() and not self._tasks:
            raise RuntimeError("No request is running, so there is nothing to wait for.")
        heard = [await self._heard.get()]
        while not self._heard.empty():
            heard.append(self._heard.get_nowait())
        for one in heard:
            if isinstance(one, BaseException):
                raise one
        return heard
