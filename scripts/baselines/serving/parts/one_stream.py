"""One request at a time through `LLM`, which serves many, beside a `Session`, which does not."""

import statistics
from collections.abc import Callable

from baselines.serving.parts.part import Rows, Setting, seconds

from tyllm import LLM, SamplingParams, Session

REPEATS = 3


def measure(setting: Setting) -> Rows:
    """New tokens per second of each, over prompt and text."""
    with Session(setting.package, setting.threads) as session:
        options = {"max_new_tokens": setting.new, "temperature": 0, "ignore_eos": True}
        by_session = rate(setting, lambda tokens: session.generate(tokens, **options))
    params = SamplingParams(max_new_tokens=setting.new, temperature=0, ignore_eos=True)
    with LLM(setting.package, setting.threads) as llm:
        by_llm = rate(setting, lambda tokens: llm.generate(tokens, params, progress=False))
    return {"Session": {"tokens/s": by_session}, "LLM": {"tokens/s": by_llm}}


def rate(setting: Setting, generate: Callable[[list[int]], object]) -> float:
    """The median of some requests after one that warms up."""
    taken = [seconds(lambda: generate(setting.tokens(setting.prompt))) for _ in range(REPEATS + 1)]
    return setting.new / statistics.median(taken[1:])
