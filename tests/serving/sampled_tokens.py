"""Whether drafts change how tokens are drawn: the first three tokens of many texts, with and without them, compared.

Two samples of equal size are compared by a chi-square test of homogeneity (Pearson, 1900). They have seeds of their
own: with the same ones each text is the same, and there would be nothing to test.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tyllm.runtime import LLM
from tyllm.runtime.generation.sampling_params import SamplingParams

LENGTH, NEW_TOKENS = 3, 4
"""Tokens that are compared, and that are drawn, so that whole drafts are among those."""
LEAST = 10
"""Texts of both samples in a bin: five are expected of each."""
REJECTED = 0.01
PROMPT = "the name of the list, the name of the value, the name of the list, the name of"
SAMPLING = {"temperature": 0.7}
Text = tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """The first tokens of many texts, and how many were drafted and accepted."""

    counts: Counter[Text]
    drafted: int
    accepted: int


@dataclass(frozen=True)
class ChiSquare:
    """The statistic, its degrees of freedom, and how likely one as great is where nothing differs."""

    statistic: float
    degrees: int
    p: float


def compare(package: Path, count: int, report: Callable[[str], object]) -> bool:
    """Compare `count` texts drawn with each kind of draft with as many without; whether none is rejected at 1%."""
    if not count:
        return True
    drafts = {"prompt lookup": {"prompt_lookup_num_tokens": 5}, "a draft model": {"draft_model": package}}
    with LLM(package, max_num_seqs=1) as llm:
        prompt = llm.tokenizer.encode(PROMPT)
    plain = draw(package, prompt, count, 0, SAMPLING, threads=1, max_num_seqs=8)
    found = {}
    for number, (name, settings) in enumerate(drafts.items(), 1):
        sample = draw(package, prompt, count, number * count, SAMPLING, threads=1, max_num_seqs=2, **settings)
        found[name] = result = chi_square(plain.counts, sample.counts)
        report(
            f"{count:,} texts with {name} ({sample.drafted:,} tokens drafted, {sample.accepted:,} accepted): "
            f"chi-square {result.statistic:.1f}, {result.degrees} degrees of freedom, p = {result.p:.3f}"
        )
    return all(result.p >= REJECTED for result in found.values())


def draw(
    package: Path, prompt: Sequence[int], count: int, first_seed: int, options: Mapping[str, object],
    **settings: object,
) -> Sample:  # fmt: skip
    """Draw `count` texts of a prompt; `options` are sampling parameters, `settings` those of `LLM`."""
    with LLM(package, **settings) as llm:  # type: ignore[arg-type]
        params = [
            SamplingParams(max_new_tokens=NEW_TOKENS, ignore_eos=True, seed=first_seed + number, **options)  # type: ignore[arg-type]
            for number in range(count)
        ]
        outputs = llm.generate([list(prompt)] * count, params, progress=False)
    results = [output.outputs[0] for output in outputs]
    counts = Counter(tuple(result.token_ids[:LENGTH]) for result in results)
    timings = [result.timings for result in results]
    return Sample(counts, sum(each.drafted_tokens for each in timings), sum(each.accepted_tokens for each in timings))


def chi_square(first: Counter[Text], second: Counter[Text]) -> ChiSquare:
    """Whether two samples of equal size come from one distribution."""
    assert first.total() == second.total()
    both, statistic = bins(first + second), 0.0
    for texts in both:
        one, other = (sum(counts[text] for text in texts) for counts in (first, second))
        statistic += (one - other) ** 2 / (one + other)
    return ChiSquare(statistic, len(both) - 1, upper_tail(statistic, len(both) - 1))


def bins(counts: Counter[Text]) -> list[list[Text]]:
    """Texts in bins of `LEAST` or more: rare ones together with those that begin as they do."""
    found, left = [], list(counts)
    for length in range(LENGTH, -1, -1):
        groups: dict[Text, list[Text]] = {}
        for text in left:
            groups.setdefault(text[:length], []).append(text)
        enough = [group for group in groups.values() if sum(counts[text] for text in group) >= LEAST]
        found += enough
        left = sorted(set(left) - {text for group in enough for text in group})
    if left and found:
        found[-1] = found[-1] + left
    return found


def upper_tail(statistic: float, degrees: int) -> float:
    """The probability that chi-square of so many degrees of freedom exceeds a value (Abramowitz & Stegun 26.4.4–5)."""
    half = statistic / 2
    if half == 0 or degrees == 0:
        return 1.0
    terms = (math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in _exponents(degrees))
    return min(1.0, (math.erfc(math.sqrt(half)) if degrees % 2 else 0.0) + sum(terms))


def _exponents(degrees: int) -> list[float]:
    """Whole numbers, or halves, up to degrees / 2 − 1."""
    return [number + (0.5 if degrees % 2 else 0.0) for number in range(degrees // 2)]
