"""What every driver is told, and what it tells: the command line, and what the quantization alone cost."""

import argparse
import json
import re
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """A checkpoint to quantize.

    Attributes:
        checkpoint: the float folder.
        samples: calibration tokens, lists of one length.
        output: the folder to write.
        group_size: inputs that share a scale.
        head: quantize the output projection too.
        settings: what the driver makes of it, such as a method or a type.
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


def cpu_seconds() -> float:
    """User and system seconds of this process and of its finished children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def peak_rss() -> int:
    """Most bytes that this process has had in memory; getrusage would count the parent's, from before exec."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@contextmanager
def told() -> Iterator[None]:
    """Print, as the last line, what the block cost: CPU seconds, seconds, and the process's peak in bytes."""
    cpu, wall = cpu_seconds(), time.monotonic()
    yield
    found = {"cpu": cpu_seconds() - cpu, "wall": time.monotonic() - wall, "peak_rss": peak_rss()}
    print(f"\n{json.dumps(found)}", flush=True)
