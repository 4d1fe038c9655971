"""The time to the first token of a prompt whose beginning another prompt had, beside that of the first."""

import statistics
from collections.abc import Sequence

from baselines.serving.parts.part import Rows, Setting, timed

from tyllm import LLM, SamplingParams

REPEATS, FEW = 3, 16  # FEW tokens of a prompt's own, as of a question to the same document


def measure(setting: Setting) -> Rows:
    """Milliseconds to the first token, and the tokens that were not fed; `prefix` tokens in common, then its own."""
    own = (setting.prompt, setting.prompt, FEW)
    names = (f"first request, {own[0]} of its own", *(f"the same beginning, {count} of its own" for count in own[1:]))
    with LLM(setting.package, setting.threads) as llm:
        first_token(llm, setting.tokens(setting.prompt))  # warms up
        rounds = [of_one_beginning(llm, setting, own) for _ in range(REPEATS)]
    return {
        name: {
            "first token, ms": 1e3 * statistics.median(taken for taken, _ in requests),
            "cached tokens": statistics.median(cached for _, cached in requests),
        }
        for name, requests in zip(names, zip(*rounds, strict=True), strict=True)
    }


def of_one_beginning(llm: LLM, setting: Setting, own: Sequence[int]) -> list[tuple[float, int]]:
    """Requests whose prompts begin with the same random tokens, and end with so many of their own."""
    common = setting.tokens(setting.prefix)
    return [first_token(llm, common + setting.tokens(count)) for count in own]


def first_token(llm: LLM, prompt: list[int]) -> tuple[float, int]:
    """Seconds until a prompt's first new token, and how many of its tokens were cached."""
    params = SamplingParams(max_new_tokens=1, temperature=0, ignore_eos=True)
    taken, (output,) = timed(lambda: llm.generate(prompt, params, progress=False))
    return taken, output.cached_tokens
