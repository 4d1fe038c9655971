"""The one measurement that every driver makes of its engine, so that all are measured alike.

A driver runs in a process of its own, as `python drive_ENGINE.py MODEL --prompt 96 …`. The first token after a prompt
of 8 is timed from the start of the process; it warms the engine up too, and so does one prompt of the measured
length, at most 512. Then follow the repeats, each on a prompt of other random tokens, so that no cache of prefixes
can help. One JSON document on stdout is the result.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from baselines.harness.process_cost import peak_rss

FIRST_PROMPT = 8
LONGEST_WARM_UP = 512


class Engine(Protocol):
    """A loaded model."""

    def generate(self, tokens: list[int], new: int, heard: Callable[[], None]) -> None:
        """Forget everything, read `tokens`, choose `new` tokens greedily; call `heard` when each is known."""


class Opening(Protocol):
    """Loads a model: its path, the worker threads, the tokens that the KV cache must hold."""

    def __call__(self, model: Path, threads: int, capacity: int) -> Engine:
        """The engine, loaded."""


def token_times(engine: Engine, tokens: list[int], new: int) -> tuple[float, list[float]]:
    """The moment at which the prompt was given, and those at which each new token was known, in seconds."""
    times: list[float] = []
    given = time.perf_counter()
    engine.generate(tokens, new, lambda: times.append(time.perf_counter()))
    if len(times) != new:
        raise RuntimeError(f"{len(times)} tokens were generated, not {new}")
    return given, times


def prompt_rate(given: float, times: list[float], prompt: int) -> float:
    """Prompt tokens per second until the first new token is known."""
    return prompt / (times[0] - given)


def decode_rate(times: list[float]) -> float:
    """New tokens per second after the first."""
    return (len(times) - 1) / (times[-1] - times[0])


def measure(open_engine: Opening, given: argparse.Namespace) -> dict[str, object]:
    """Start, rates of the repeats, memory."""
    draw = random.Random(given.seed)

    def prompt(length: int) -> list[int]:
        return [draw.randrange(given.vocabulary) for _ in range(length)]

    capacity = given.prompt + given.new
    engine = open_engine(given.model, given.threads, capacity)
    token_times(engine, prompt(FIRST_PROMPT), 1)
    start = time.monotonic() - given.started
    token_times(engine, prompt(min(given.prompt, LONGEST_WARM_UP)), 4)
    runs = [token_times(engine, prompt(given.prompt), given.new) for _ in range(given.repeats)]
    return {
        "start": start,
        "prompt": [prompt_rate(began, times, given.prompt) for began, times in runs],
        "decode": [decode_rate(times) for _, times in runs],
        "peak_rss": peak_rss(),
    }


def main(open_engine: Opening) -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--started", type=float, required=True, help="time.monotonic() when the process was started")
    parser.add_argument("--vocabulary", type=int, required=True, help="token ids are drawn below this")
    parser.add_argument("--prompt", type=int, required=True)
    parser.add_argument("--new", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    print(f"\n{json.dumps(measure(open_engine, parser.parse_args()))}", flush=True)
