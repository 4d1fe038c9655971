"""One request at a time through `LLM`, which serves many, beside a `Session`, which does not."""

import statistics
from collections.abc import Callable, Mapping
from functools import partial

from baselines.serving.parts.part import Rows, Setting, seconds

from tyllm import LLM, SamplingParams, Session

REPEATS = 5


def measure(setting: Setting) -> Rows:
    """New tokens per second of each, over prompt and text."""
    options = {"max_new_tokens": setting.new, "temperature": 0, "ignore_eos": True}
    params = SamplingParams(max_new_tokens=setting.new, temperature=0, ignore_eos=True)
    package, threads = setting.package, setting.threads
    with Session(package, threads) as session, LLM(package, threads, enable_prefix_caching=False) as llm:
        doors = {
            "Session": lambda tokens: session.generate(tokens, **options),
            "LLM": lambda tokens: llm.generate(tokens, params, progress=False),
        }
        return {name: {"tokens/s": rate} for name, rate in rates(setting, doors).items()}


def rates(setting: Setting, doors: Mapping[str, Callable[[list[int]], object]]) -> dict[str, float]:
    """Of each the median of some requests, which take turns, after one that warms up."""
    taken: dict[str, list[float]] = {name: [] for name in doors}
    for _ in range(REPEATS + 1):
        for name, generate in doors.items():
            taken[name].append(seconds(partial(generate, setting.tokens(setting.prompt))))
    return {name: setting.new / statistics.median(some[1:]) for name, some in taken.items()}
