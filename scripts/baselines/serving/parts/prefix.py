"""The time to the first token of a prompt whose beginning another prompt had, beside that of the first."""

import statistics

from baselines.serving.parts.part import Rows, Setting, timed

from tyllm import LLM, SamplingParams

REPEATS = 3
ORDER = ("first request", "second, same beginning")


def measure(setting: Setting) -> Rows:
    """Milliseconds to the first token, and the tokens that were not fed; `prefix` tokens in common, then `prompt`."""
    with LLM(setting.package, setting.threads) as llm:
        first_token(llm, setting.tokens(setting.prompt))  # warms up
        pairs = [pair(llm, setting) for _ in range(REPEATS)]
    return {
        name: {
            "first token, ms": 1e3 * statistics.median(taken for taken, _ in requests),
            "cached tokens": statistics.median(cached for _, cached in requests),
        }
        for name, requests in zip(ORDER, zip(*pairs, strict=True), strict=True)
    }


def pair(llm: LLM, setting: Setting) -> list[tuple[float, int]]:
    """Two requests whose prompts begin with the same random tokens."""
    common = setting.tokens(setting.prefix)
    return [first_token(llm, common + setting.tokens(setting.prompt)) for _ in ORDER]


def first_token(llm: LLM, prompt: list[int]) -> tuple[float, int]:
    """Seconds until a prompt's first new token, and how many of its tokens were cached."""
    params = SamplingParams(max_new_tokens=1, temperature=0, ignore_eos=True)
    taken, (output,) = timed(lambda: llm.generate(prompt, params, progress=False))
    return taken, output.cached_tokens
