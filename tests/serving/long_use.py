"""Thousands of requests over one engine: mixed, cancelled, aborted; each compared, and the process watched.

Every request is one of a few that were answered alone before, in a session, or begins with one of their prompts; so
each text can be compared, the aborted ones as far as they came.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from tyllm.runtime import AsyncLLM, Session
from tyllm.runtime.generation.sampling_params import SamplingParams

IN_FLIGHT = 32


@dataclass(frozen=True)
class Known:
    """A request and what a session gave it alone."""

    prompt: list[int]
    params: SamplingParams
    token_ids: list[int]


@dataclass(frozen=True)
class Level:
    """What the process holds after so many requests: anonymous memory in KiB, threads, descriptors."""

    requests: int
    anonymous: int
    threads: int
    descriptors: int


@dataclass
class LongUse:
    """What came of it."""

    compared: int = 0
    different: int = 0
    aborted: int = 0
    cancelled: int = 0
    slowest_abort: float = 0.0
    levels: list[Level] = field(default_factory=list)

    def growth(self) -> float:
        """KiB of anonymous memory for 1,000 requests, after the first third."""
        after = self.levels[len(self.levels) // 3 :]
        count = after[-1].requests - after[0].requests
        return 1000 * (after[-1].anonymous - after[0].anonymous) / max(1, count)


def level(requests: int) -> Level:
    """The process now."""
    status = Path("/proc/self/status").read_text()
    anonymous = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
    return Level(requests, anonymous, threading.active_count(), len(os.listdir("/proc/self/fd")))  # noqa: PTH208


def known_requests(package: Path, count: int, longest: int, new_tokens: int) -> list[Known]:
    """Random requests that share beginnings, greedy and sampled, with what each is given alone."""
    rng, found = random.Random(0), []
    with Session(package) as session:
        stems = [[rng.randrange(session.info.vocab_size - 4) for _ in range(longest)] for _ in range(4)]
        for number in range(count):
            stem = rng.choice(stems)[: rng.randrange(longest - 4)]
            prompt = [*stem, *(rng.randrange(session.info.vocab_size - 4) for _ in range(rng.randrange(1, 4)))]
            options = {"max_new_tokens": rng.randrange(1, new_tokens), "ignore_eos": True}
            if number % 3 == 0:
                options |= {"temperature": 0.8, "seed": number, "top_k": 20}
            result = session.generate(prompt, **options)  # type: ignore[arg-type]
            found.append(Known(prompt, SamplingParams(**options), result.token_ids))  # type: ignore[arg-type]
    return found


async def use(
    package: Path, known: list[Known], requests: int, aborts: int, every: int,
    report: Callable[[Level], object] = lambda level: None, **settings: int | str,
) -> LongUse:  # fmt: skip
    """Send requests, `IN_FLIGHT` at a time, of which about `aborts` end early."""
    found, rng, waiting = LongUse(), random.Random(1), iter(range(requests))
    async with AsyncLLM(package, **settings) as llm:  # type: ignore[arg-type]

        async def worker() -> None:
            for number in waiting:
                each = rng.choice(known)
                if rng.random() < aborts / requests:
                    await _end_early(llm, each, found, rng)
                else:
                    await _to_the_end(llm, each, found)
                if number % every == 0:
                    found.levels.append(level(number))
                    report(found.levels[-1])

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        found.levels.append(level(requests))
    return found


async def _to_the_end(llm: AsyncLLM, known: Known, found: LongUse) -> None:
    output = None
    async for output in llm.generate(known.prompt, known.params):  # noqa: B007  # the last one counts
        pass
    found.compared += 1
    found.different += output is None or output.outputs[0].token_ids != known.token_ids


async def _end_early(llm: AsyncLLM, known: Known, found: LongUse, rng: random.Random) -> None:
    """Cancel a task at a random moment, or abort by name, and see how long that takes."""
    name, moment = f"early {rng.random()}", rng.random() * 0.05
    if rng.random() < 0.5:
        task = asyncio.ensure_future(_to_the_end(llm, known, LongUse()))
        await asyncio.sleep(moment)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        found.cancelled += 1
        return
    async with aclosing(llm.generate(known.prompt, known.params, request_id=name)) as outputs:
        output = await anext(outputs)
        start = time.perf_counter()
        await llm.abort(name)
        async for output in outputs:  # noqa: B007  # the last one counts
            pass
    found.slowest_abort = max(found.slowest_abort, time.perf_counter() - start)
    found.aborted += 1
    tokens = output.outputs[0].token_ids
    found.compared += 1
    found.different += tokens != known.token_ids[: len(tokens)]


def lines(found: LongUse) -> Iterator[str]:
    """The outcome as text."""
    yield f"{found.compared:,} texts compared with the run alone: {found.different} differ"
    slowest = f"the slowest took {found.slowest_abort * 1000:.0f} ms"
    yield f"{found.aborted:,} aborted by name ({slowest}), {found.cancelled:,} cancelled"
    yield f"anonymous memory: {found.growth():+.0f} KiB for 1,000 requests after the first third"
    for each in found.levels:
        held = f"{each.anonymous:,} KiB, {each.threads} threads, {each.descriptors} descriptors"
        yield f"{each.requests:>8,} requests: {held}"
