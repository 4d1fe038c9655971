"""What picking a token costs, in microseconds a row of logits.

    python scripts/sampling_speed.py [--vocabulary 151936] [--context 4096] [--draws 200] [--flat]

The logits are random, as peaked as a language model's: a few tokens stand out. With `--flat` none does, as with random
weights. Prints the median of single calls and the fastest, in one thread.
"""

import argparse
import statistics
import time

import numpy as np
import numpy.typing as npt
from baselines.harness.markdown import table

from tyllm.runtime.generation.log_probs import token_logprob
from tyllm.runtime.generation.sampler import Sampler
from tyllm.runtime.generation.sampling_params import SamplingParams

CASES: dict[str, SamplingParams] = {
    "greedy": SamplingParams(),
    "temperature": SamplingParams(temperature=0.7, seed=0),
    "top_k=40": SamplingParams(temperature=0.7, top_k=40, seed=0),
    "top_p=0.95": SamplingParams(temperature=0.7, top_p=0.95, seed=0),
    "top_k=40, top_p=0.95": SamplingParams(temperature=0.7, top_k=40, top_p=0.95, seed=0),
    "min_p=0.05": SamplingParams(temperature=0.7, min_p=0.05, seed=0),
    "greedy, all penalties": SamplingParams(repetition_penalty=1.1, presence_penalty=0.5, frequency_penalty=0.5),
    "greedy, logprobs=5": SamplingParams(logprobs=5),
}


def logits_like(vocabulary: int, flat: bool) -> npt.NDArray[np.float32]:
    """Logits float32 [V]: a normal bulk, and unless `flat` a long tail of tokens that stand out by up to 18."""
    random = np.random.default_rng(0)
    bulk = random.normal(0, 2, vocabulary)
    if not flat:
        bulk[random.permutation(vocabulary)[:1000]] += 18 * np.arange(1, 1001) ** -0.35
    return bulk.astype(np.float32)


def times_of(sampler: Sampler, logits: npt.NDArray[np.float32], draws: int, logprobs: int | None) -> list[float]:
    """Microseconds of each of some calls."""
    found = []
    for _ in range(draws):
        start = time.perf_counter()
        token = sampler.pick(logits)
        if logprobs is not None:
            token_logprob(logits, token, logprobs)
        found.append(1e6 * (time.perf_counter() - start))
    return found


def measure(vocabulary: int, context: int, draws: int, flat: bool) -> list[list[str]]:
    """A row of the table for each case."""
    logits = logits_like(vocabulary, flat)
    prompt = np.random.default_rng(1).integers(0, vocabulary, context).tolist()
    rows = []
    for name, params in CASES.items():
        found = times_of(Sampler(params, prompt), logits, draws, params.logprobs)
        rows.append([name, f"{statistics.median(found):.0f}", f"{min(found):.0f}"])
    return rows


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--flat", action="store_true")
    print(table([["", "median", "fastest"], *measure(**vars(parser.parse_args()))]))


if __name__ == "__main__":
    main()
