"""The measurement that every driver makes of its engine: a closed loop for each number of streams.

A driver runs in a process of its own, as `python drive_ENGINE.py MODEL --streams 1 8 …`. Before each loop a short one
with the same prompts' length warms the engine up. One JSON document on stdout is the result.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Protocol

from baselines.serving.loads.closed_loop import Figures, StreamEngine, closed_loop, load_figures

WARM_UP = 4  # new tokens of the requests before each loop


class Opening(Protocol):
    """Loads a model: its path, worker threads, the most streams, and the tokens that each needs in the KV cache."""

    def __call__(self, model: Path, threads: int, streams: int, capacity: int) -> StreamEngine:
        """The engine, loaded."""


def measure(open_engine: Opening, given: argparse.Namespace) -> dict[str, Figures]:
    """The figures of each number of streams."""
    draw = random.Random(given.seed)

    def prompts(count: int) -> list[list[int]]:
        return [[draw.randrange(given.vocabulary) for _ in range(given.prompt)] for _ in range(count)]

    engine = open_engine(given.model, given.threads, max(given.streams), given.prompt + given.new)
    found = {}
    for streams in given.streams:
        closed_loop(engine, prompts(streams), streams, min(WARM_UP, given.new))
        requests = closed_loop(engine, prompts(streams * given.requests), streams, given.new)
        found[str(streams)] = load_figures(requests)
    return found


def main(open_engine: Opening) -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--vocabulary", type=int, required=True, help="token ids are drawn below this")
    parser.add_argument("--streams", type=int, nargs="+", required=True)
    parser.add_argument("--requests", type=int, required=True, help="of each stream, one after another")
    parser.add_argument("--prompt", type=int, required=True, help="tokens")
    parser.add_argument("--new", type=int, required=True, help="tokens")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    print(f"\n{json.dumps(measure(open_engine, parser.parse_args()))}", flush=True)
