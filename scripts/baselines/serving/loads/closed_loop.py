"""A closed loop: so many streams, each of which sends its next request when its last one has ended.

Every driver runs this with its engine, so that all are counted alike. Requests are prompts of random tokens, each
another one, with a fixed number of new tokens.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Figures = dict[str, float]


class StreamEngine(Protocol):
    """A loaded model that continues several requests together."""

    def add(self, number: int, tokens: list[int], new: int) -> None:
        """Begin request `number`: `new` tokens after `tokens`, greedily, whatever they are."""

    def step(self) -> Sequence[tuple[int, int]]:
        """Wait until there is something new; the number of each request that has it, and how many tokens are new."""


@dataclass
class Heard:
    """When a request was given, and when each of its tokens was heard of; seconds of `time.perf_counter`."""

    given: float
    times: list[float] = field(default_factory=list)

    @property
    def gaps(self) -> Iterator[float]:
        """Seconds between tokens that follow one another."""
        return (after - before for before, after in zip(self.times, self.times[1:], strict=False))


def closed_loop(engine: StreamEngine, prompts: Sequence[list[int]], streams: int, new: int) -> list[Heard]:
    """Send all prompts, `streams` of them at a time; raises `RuntimeError` where a request is given too many tokens."""
    waiting = iter(enumerate(prompts))
    heard: dict[int, Heard] = {}

    def send() -> int:
        for number, tokens in waiting:
            heard[number] = Heard(time.perf_counter())
            engine.add(number, tokens, new)
            return 1
        return 0

    running = sum(send() for _ in range(streams))
    while running:
        for number, count in engine.step():
            times = heard[number].times
            times += [time.perf_counter()] * count
            if len(times) > new:
                raise RuntimeError(f"request {number} was given {len(times)} tokens, not {new}")
            if count and len(times) == new:
                running += send() - 1
    return list(heard.values())


def load_figures(requests: Sequence[Heard]) -> Figures:
    """What a loop came to.

    Returns:
        "rate": new tokens of all requests for each second from the first request to the last token, so the reading of
        prompts is in it. In milliseconds "first p50" and "first p99", from giving a request to its first token, and
        "gap p50" and "gap p99", between tokens of a request; tokens that were heard of together have gaps of 0.
    """
    seconds = max(one.times[-1] for one in requests) - min(one.given for one in requests)
    first = percentiles("first", [one.times[0] - one.given for one in requests])
    gaps = percentiles("gap", [gap for one in requests for gap in one.gaps])
    return {"rate": sum(len(one.times) for one in requests) / seconds} | first | gaps


def percentiles(name: str, seconds: Sequence[float]) -> Figures:
    """The 50th and 99th percentile in milliseconds; nothing of nothing."""
    if not seconds:
        return {}
    return {f"{name} p{share}": 1e3 * float(np.percentile(seconds, share)) for share in (50, 99)}
