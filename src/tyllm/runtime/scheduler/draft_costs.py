"""What drafts cost, by the measured times of steps, in tokens that the time would have brought without them.

With drafts a step of n sequences takes S seconds in the place of T. They pay where they bring more than n · (S / T − 1)
tokens beside the n that come anyway (Leviathan et al., arXiv 2211.17192, say the same of expected times).
"""

from __future__ import annotations

from collections.abc import Sequence

RISE = 1.05
"""What a time may grow by with each step; it falls at once, so that a step that was held up counts little."""
RENEWAL = 64
"""Steps with drafts before one without them is measured again."""


def least_of_late(before: float, seconds: float) -> float:
    """The least time of steps of late, given what it was before this one."""
    return min(seconds, RISE * before)


class DraftCosts:
    """The least times of late, by the number of sequences and of drafted tokens."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, int], float] = {}
        self._since: dict[int, int] = {}

    def is_due(self, sequences: int) -> bool:
        """Whether the next step of so many sequences goes without drafts, to be measured."""
        return self._since.get(sequences, RENEWAL) >= RENEWAL

    def note(self, drafted: Sequence[int], seconds: float) -> list[float]:
        """Learn from a step in which every sequence decoded.

        Args:
            drafted: tokens that were drafted for each.
            seconds: that it took, drafting included.

        Returns:
            The cost of each sequence's draft, in tokens.
        """
        count, total = len(drafted), sum(drafted)
        self._since[count] = self._since.get(count, RENEWAL) + 1 if total else 0
        before = self._seconds.get((count, total), seconds)
        self._seconds[count, total] = seconds = least_of_late(before, seconds)
        plain = self._seconds.get((count, 0), seconds)
        cost = count * max(0.0, seconds / plain - 1)
        return [cost * own / total if total else 0.0 for own in drafted]
