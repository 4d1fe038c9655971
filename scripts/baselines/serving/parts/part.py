"""What the parts have in common: packages and sizes that are measured with, and the form of their results."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

ResultT = TypeVar("ResultT")
Rows = dict[str, dict[str, float]]
"""Of each row of a part's table its columns."""


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        package: our package with batches.
        vocabulary: token ids are drawn below this.
        prompt: tokens of an ordinary prompt.
        new: tokens of an ordinary text after it.
        long_prompt: tokens of a prompt that takes long.
        prefix: tokens that two prompts have in common.
        threads: worker threads.
        seed: of the random tokens.
    """

    package: Path
    vocabulary: int
    prompt: int
    new: int
    long_prompt: int
    prefix: int
    threads: int
    seed: int = 0

    def tokens(self, count: int) -> list[int]:
        """Other random tokens at each call."""
        return [self._draw.randrange(self.vocabulary) for _ in range(count)]

    @cached_property
    def _draw(self) -> random.Random:
        return random.Random(self.seed)


def timed(work: Callable[[], ResultT]) -> tuple[float, ResultT]:
    """How many seconds a call takes, and what it gives."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def seconds(work: Callable[[], object]) -> float:
    """How many seconds a call takes."""
    return timed(work)[0]
