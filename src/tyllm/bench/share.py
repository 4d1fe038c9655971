"""How near a rate comes to this machine's limits: a roofline (Williams, Waterman and Patterson, 2009) in one number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tyllm.bench.measure import Trial
from tyllm.bench.work import Work

CACHE_BYTES = 128 << 20  # what a token reads of a smaller package may come from the processor's caches
LIMIT_OF = {"int8": "int8", "float32": "float32", "float16": "float32", "bfloat16": "tile_bfloat16"}
"""Type of the factors of products with weights → the limit of the instructions that make them."""


@dataclass(frozen=True)
class Share:
    """`fraction` of the limit `of`."""

    of: str
    fraction: float

    def __str__(self) -> str:
        return f"{self.fraction:.0%} of {self.of}"


def share_of_limit(work: Work, trial: Trial, rate: float, limits: Mapping[str, float]) -> Share | None:
    """Of reading for decoded tokens, of arithmetic for prompts; None where a comparison would say nothing.

    Args:
        work: the package's.
        trial: what was measured.
        rate: tokens per second.
        limits: bytes or operations per second, by name.
    """
    if trial.kind == "pp":
        return _share_of_arithmetic(work, trial, rate, limits)
    count = work.bytes_of_a_token(trial.depth + (trial.count + 1) / 2)
    return Share("read", count * rate / limits["read"]) if count >= CACHE_BYTES else None


def _share_of_arithmetic(work: Work, trial: Trial, rate: float, limits: Mapping[str, float]) -> Share | None:
    """The seconds that the products with weights take at the peak, of those that all took."""
    operations = work.operations_of_a_prompt(trial.count, trial.depth)
    if not operations or any(LIMIT_OF.get(kind) not in limits for kind in operations):
        return None
    seconds = {LIMIT_OF[kind]: count / limits[LIMIT_OF[kind]] for kind, count in operations.items()}
    return Share(max(seconds, key=lambda name: seconds[name]), sum(seconds.values()) * rate / trial.count)
