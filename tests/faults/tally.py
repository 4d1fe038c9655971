"""What the tries of a row gave: how many held, and the first of those that did not."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

KEPT = 40  # failures that are told whole
TOLD_EVERY = 30.0  # seconds


@dataclass
class Tally:
    """A row under way.

    Attributes:
        row: its name.
        seed: of all that is random; a try's own number makes it the same each time.
        limit: seconds after which no new try begins.
        only: numbers of the tries to play; None for all.
    """

    row: str
    seed: int = 0
    limit: float = float("inf")
    only: tuple[int, ...] | None = None
    ends: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    tries: int = 0
    held: int = 0
    seconds: float = 0.0
    _planned: int = 0
    _started: float = 0.0
    _told: float = 0.0

    def numbers(self, count: int) -> Iterator[tuple[int, random.Random]]:
        """The numbers of the tries, each with its own source of chance."""
        for number in self.numbers_alone(count):
            if time.monotonic() - self._started > self.limit:
                break
            yield number, random.Random(f"{self.row} {self.seed} {number}")
        self.seconds = time.monotonic() - self._started

    def numbers_alone(self, count: int) -> Iterator[int]:
        """The numbers of the tries."""
        numbers = self.only or range(count)
        self._planned, self._started = len(numbers), time.monotonic()
        return iter(numbers)

    def add(self, number: int, fault: str, end: str, held: bool) -> None:
        """Count a try: what was done, how it ended, and whether that is as it should be."""
        self.tries += 1
        self.held += held
        self.ends[end.split(":")[0]] += 1
        if not held:
            line = f"{self.row} --only {number}: {fault} -> {end}"
            if len(self.failures) < KEPT:
                self.failures.append(line)
                print(line, flush=True)
        if (now := time.monotonic()) - self._told > TOLD_EVERY:
            self._told = now
            left = (now - self._started) / self.tries * (self._planned - self.tries)
            print(f"{self.row}: {self.tries} of {self._planned} tries, {self.held} held, {left:.0f} s left", flush=True)

    def as_json(self) -> dict[str, object]:
        """The row of the table, and what did not hold."""
        return {
            "fault": self.row,
            "tries": self.tries,
            "held": self.held,
            "seconds": round(self.seconds, 1),
            "seed": self.seed,
            "ends": dict(self.ends.most_common()),
            "failures": self.failures,
        }
