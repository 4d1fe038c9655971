"""Tokens per second of a package, decoding and on prompts, beside the rate at which this machine reads memory.

python scripts/bench.py PACKAGE [--runs 3] [--prompt 512] [--new 64] [--threads N]

Each figure is the median of the runs. The read rate is the best that `read_bandwidth.c` reaches with as many threads,
measured in the same minute. Decoding cannot be faster than that rate divided by the bytes that a step reads, unless
what a step reads fits the caches: then no share is printed.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tyllm.cli.contents import contents
from tyllm.cli.machine import c_compiler
from tyllm.cli.output import counted
from tyllm.runtime import Session

CACHE_BYTES = 256 << 20  # smaller packages may live in the caches


def read_rate(threads: int) -> float:
    """Bytes per second that `threads` threads read from memory together."""
    compiler = c_compiler()
    if compiler is None:
        sys.exit("No C compiler found: install gcc.")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "read_bandwidth"
        source = Path(__file__).with_name("read_bandwidth.c")
        flags = ["-O3", "-march=native", "-pthread", str(source), "-o", str(program)]
        subprocess.run([compiler, *flags], check=True)
        result = subprocess.run([program, str(threads)], check=True, capture_output=True, text=True)
    return float(result.stdout)


def median_rate(runs: int, count: int, task: Callable[[], object]) -> float:
    """Median over the runs of `count` units divided by the seconds that `task` takes."""
    rates = []
    for _ in range(runs):
        started = time.perf_counter()
        task()
        rates.append(count / (time.perf_counter() - started))
    return statistics.median(rates)


def measure(session: Session, runs: int, prompt: int, new: int) -> tuple[float, float]:
    """Prompt and decode tokens per second; the prompt is random tokens, decoding follows after it."""
    tokens = np.random.default_rng(0).integers(0, session.info.vocab_size, prompt).tolist()
    conversation = session.conversation()
    session.logits(tokens[:16])  # touch the pages before the clock runs

    def decode() -> None:
        conversation.rewind(prompt)
        for token in tokens[:new]:
            conversation.append([token])

    return median_rate(runs, prompt, lambda: session.logits(tokens)), median_rate(runs, new, decode)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--prompt", type=int, default=512, help="tokens of the prompt")
    parser.add_argument("--new", type=int, default=64, help="tokens decoded after it")
    parser.add_argument("--threads", type=int, default=None, help="worker threads of all dies together")
    given = parser.parse_args()
    if given.runs < 3:
        parser.error("--runs must be 3 or more: a median of fewer is no median")
    dies = contents(given.package)["dies"]
    step_bytes = sum(die["programs"]["1"]["bytes_read"] for die in dies)
    with Session(given.package, threads=given.threads) as session:
        threads = session.threads
        prompt_rate, decode_rate = measure(session, given.runs, given.prompt, given.new)
    limit = read_rate(threads)
    print(f"{given.package}: {counted(len(dies), 'die')}, {threads} threads, medians of {given.runs} runs")
    print(f"prompt of {given.prompt} tokens     {prompt_rate:10.1f} tokens/s")
    print(f"decoding after it      {decode_rate:10.1f} tokens/s")
    print(f"read by a decode step  {step_bytes / 1e6:10.1f} MB, so {step_bytes * decode_rate / 1e9:.2f} GB/s")
    small = f"no share: less than {CACHE_BYTES >> 20} MiB may come from the caches"
    share = f"the share is {step_bytes * decode_rate / limit:.0%}" if step_bytes >= CACHE_BYTES else small
    print(f"this machine reads     {limit / 1e9:10.2f} GB/s; {share}")


if __name__ == "__main__":
    main()
