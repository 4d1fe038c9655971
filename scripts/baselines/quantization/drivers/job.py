"""The command line that every driver reads, and the cost of the quantization alone, which it prints."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from baselines.harness.process_cost import cpu_seconds, peak_rss


@dataclass(frozen=True)
class Job:
    """A checkpoint to quantize.

    Attributes:
        checkpoint: the float folder.
        samples: calibration tokens, lists of one length.
        output: the folder to write.
        group_size: inputs that share a scale.
        head: quantize the output projection too.
        settings: a method, a type or modifiers, as the driver says.
    """

    checkpoint: str
    samples: list[list[int]]
    output: str
    group_size: int
    head: bool
    settings: str


def read_job() -> Job:
    """The job on the command line: CHECKPOINT TOKENS.json OUTPUT --group-size G --settings WORD [--head]."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("tokens", type=Path)
    parser.add_argument("output")
    parser.add_argument("--group-size", type=int, required=True)
    parser.add_argument("--settings", required=True)
    parser.add_argument("--head", action="store_true")
    given = parser.parse_args()
    samples = json.loads(given.tokens.read_text(encoding="utf-8"))
    return Job(given.checkpoint, samples, given.output, given.group_size, given.head, given.settings)


@contextmanager
def report_cost() -> Iterator[None]:
    """Print, as the last line, the cost of the block: CPU seconds, seconds, and the process's peak in bytes."""
    cpu, wall = cpu_seconds(), time.monotonic()
    yield
    found = {"cpu": cpu_seconds() - cpu, "wall": time.monotonic() - wall, "peak_rss": peak_rss()}
    print(f"\n{json.dumps(found)}", flush=True)
