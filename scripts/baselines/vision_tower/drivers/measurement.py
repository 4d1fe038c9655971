"""The one measurement that every driver makes of its vision tower, so that all are measured alike.

A driver runs in a process of its own, as `python drive_ENGINE.py MODEL --data DATA …`. The first image is timed
from the start of the process and warms the engine up; then follow the repeats, as many as fit into the given time, at
least one. One JSON document on stdout is the result; in it is how near the embeddings are to Hugging Face's in float32.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from baselines.harness.process_cost import peak_rss

Array = npt.NDArray[np.float32]
Tower = Callable[[Array], Array]  # patches [n, 1176] → embeddings [n / 4, H]


def cosines(one: Array, other: Array) -> dict[str, float]:
    """Cosine of all values, and the least cosine of a row."""
    left, right = one.astype(np.float64), other.astype(np.float64)
    products = [(left * right).sum(1), (left * left).sum(1), (right * right).sum(1)]
    whole = [part.sum() for part in products]
    rows = products[0] / np.sqrt(products[1] * products[2])
    return {"cosine": float(whole[0] / np.sqrt(whole[1] * whole[2])), "worst_cosine": float(rows.min())}


def measure(open_tower: Callable[[argparse.Namespace], Tower], given: argparse.Namespace) -> dict[str, Any]:
    """Start, seconds an image, memory, cosines."""
    patches = np.load(given.data / "patches.npy")
    tower = open_tower(given)
    found = tower(patches)
    start = time.monotonic() - given.started
    seconds: list[float] = []
    while not seconds or (len(seconds) < given.repeats and sum(seconds) < given.seconds):
        began = time.perf_counter()
        found = tower(patches)
        seconds.append(time.perf_counter() - began)
    memory = peak_rss()
    return {
        "start": start,
        "seconds": seconds,
        "peak_rss": memory,
        **cosines(found, np.load(given.data / "reference.npy")),
    }


def main(open_tower: Callable[[argparse.Namespace], Tower]) -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of patches.npy, reference.npy and grid.json")
    parser.add_argument("--started", type=float, required=True, help="time.monotonic() when the process was started")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--variant", default="", help="form and types to run, where the driver knows several")
    print(f"\n{json.dumps(measure(open_tower, parser.parse_args()))}", flush=True)
