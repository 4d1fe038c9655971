"""Four streams that decode, and the time between their tokens while the engine reads a long prompt beside them."""

import time
from collections.abc import Sequence

from baselines.serving.loads.closed_loop import Figures, Heard, closed_loop, percentiles
from baselines.serving.parts.async_requests import AsyncRequests
from baselines.serving.parts.part import Rows, Setting

STREAMS, LONG = range(4), 4  # numbers of the requests
RATE = "prompt tokens/s"


def measure(setting: Setting) -> Rows:
    """Percentiles of the time between tokens of the streams, and the speed of the prompt, alone and together."""
    engine = AsyncRequests(setting.package, setting.threads, len(STREAMS) + 1)
    try:
        prompts = [setting.tokens(setting.long_prompt) for _ in range(2)]
        (alone,) = closed_loop(engine, prompts[:1], 1, 1)
        heard = {number: Heard(time.perf_counter()) for number in STREAMS}
        for number in STREAMS:
            engine.add(number, setting.tokens(setting.prompt), engine.capacity - setting.prompt)
        listen(engine, heard, STREAMS, 1)
        began = time.perf_counter()
        listen(engine, heard, STREAMS, setting.new)
        heard[LONG] = beside = Heard(time.perf_counter())
        engine.add(LONG, prompts[1], 1)
        listen(engine, heard, [LONG], 1)
        listen(engine, heard, STREAMS, 1)  # the gaps that lasted longer than the prompt count too
    finally:
        engine.close()
    streams = [heard[number] for number in STREAMS]
    return {
        f"{len(STREAMS)} streams alone": gaps_between(streams, began, beside.given),
        "the prompt alone": {RATE: setting.long_prompt / (alone.times[0] - alone.given)},
        "both": gaps_between(streams, beside.given, time.perf_counter())
        | {RATE: setting.long_prompt / (beside.times[0] - beside.given)},
    }


def listen(engine: AsyncRequests, heard: dict[int, Heard], numbers: Sequence[int], more: int) -> None:
    """Run until each of the named requests has been given so many tokens more."""
    wanted = {number: len(heard[number].times) + more for number in numbers}
    while any(len(heard[number].times) < count for number, count in wanted.items()):
        for number, count in engine.step():
            heard[number].times += [time.perf_counter()] * count


def gaps_between(streams: Sequence[Heard], began: float, ended: float) -> Figures:
    """Percentiles of the gaps whose ends lie in a span of time."""
    ends = [(gap, end) for one in streams for gap, end in zip(one.gaps, one.times[1:], strict=True)]
    return percentiles("gap", [gap for gap, end in ends if began < end <= ended])
