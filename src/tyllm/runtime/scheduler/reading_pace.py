"""How many tokens of prompts a step reads beside sequences that decode: so many that these do not stall."""

from __future__ import annotations

from tyllm.runtime.scheduler.draft_costs import least_of_late

MOST_TIMES_LONGER = 2.0
"""What a step with tokens of prompts may take, in steps of the same sequences without."""
FIRST, LEAST = 8, 4
"""Tokens beside decoding sequences at the beginning, and however long a step takes."""


class ReadingPace:
    """Learns from the times of steps; a prompt is read faster while nothing tells against it.

    Attributes:
        rows: tokens of prompts that the next step may read beside decoding sequences.
    """

    def __init__(self) -> None:
        self.rows = FIRST
        self._seconds: dict[int, float] = {}

    def note(self, decoding: int, read: int, seconds: float) -> None:
        """Learn from a step.

        Args:
            decoding: sequences of which it fed a token.
            read: tokens of prompts that it fed beside them.
            seconds: that it took.
        """
        if not read:
            self._seconds[decoding] = least_of_late(self._seconds.get(decoding, seconds), seconds)
            return
        longest = MOST_TIMES_LONGER * self._without(decoding)
        if seconds > longest:
            self.rows = max(LEAST, min(self.rows, int(read * longest / seconds)))
        elif read >= self.rows:
            self.rows += max(1, self.rows // 8)

    def _without(self, decoding: int) -> float:
        """The time of a step of so many sequences, or of the next number that is known; ∞ where none is."""
        nearest = min(self._seconds, key=lambda count: abs(count - decoding), default=None)
        return float("inf") if nearest is None else self._seconds[nearest]
