"""Tokens per second with and without prompt lookup, in alternating rounds, where a text repeats what it has said.

    python scripts/draft_speed.py PACKAGE [--rounds 9] [--tokens 250] [--threads 2] [--json]

The task: the small trained model goes on with a listing of Python examples, in which the same four lines stand eight
times, and repeats lines of it. The package needs batches:

    tyllm compile models/tyllm-7m out/int4 --quantize rtn --group-size 64 --batch-sizes 4,8

Greedy; prints the median of the rounds and the fastest, and whether the texts are the same.
"""

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from baselines.harness.markdown import table

from tyllm import LLM, SamplingParams

PROMPT = "    >>> x = 1\n    >>> print(x)\n    1\n\n" * 8


@dataclass(frozen=True)
class Speed:
    """What came of one number of drafted tokens: tokens per second of each round, and of the last the rest."""

    num_tokens: int
    rates: list[float]
    drafted: int
    accepted: int
    token_ids: list[int]

    @property
    def median(self) -> float:
        """Tokens per second."""
        return statistics.median(self.rates)


def measure(package: Path, counts: list[int], rounds: int, tokens: int, threads: int | None) -> list[Speed]:
    """The speed with at most so many drafted tokens each; engines take turns, and the first round warms them up."""
    params = SamplingParams(temperature=0, max_new_tokens=tokens, ignore_eos=True)
    engines = [LLM(package, threads, max_num_seqs=1, prompt_lookup_num_tokens=count) for count in counts]
    rates: list[list[float]] = [[] for _ in counts]
    for _ in range(1 + rounds):
        results = [engine.generate([PROMPT], params, progress=False)[0].outputs[0] for engine in engines]
        for own, result in zip(rates, results, strict=True):
            own.append((result.timings.new_tokens - 1) / result.timings.decode_seconds)
    for engine in engines:
        engine.close()
    return [
        Speed(count, own[1:], result.timings.drafted_tokens, result.timings.accepted_tokens, result.token_ids)
        for count, own, result in zip(counts, rates, results, strict=True)
    ]


def rows_of(speeds: list[Speed]) -> list[list[str]]:
    """The rows of the table."""
    plain = speeds[0]
    return [
        [str(each.num_tokens), f"{each.median:.0f}", f"{max(each.rates):.0f}", f"{each.median / plain.median:.2f}",
         f"{max(each.rates) / max(plain.rates):.2f}", f"{each.accepted} of {each.drafted}",
         "yes" if each.token_ids == plain.token_ids else "no"]
        for each in speeds
    ]  # fmt: skip


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=250)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    speeds = measure(given.package, [0, 3, 7], given.rounds, given.tokens, given.threads)
    if given.json:
        print(json.dumps([asdict(each) for each in speeds], indent=2))
        return
    head = ["prompt_lookup_num_tokens", "tokens/s", "fastest", "ratio", "of the fastest", "accepted", "same text"]
    print(table([head, *rows_of(speeds)]))


if __name__ == "__main__":
    main()
