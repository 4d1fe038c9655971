"""How many tokens are drafted: more while all are accepted, fewer when not, and none for a while where none pays."""

from __future__ import annotations

FIRST_PAUSE, LONGEST_PAUSE = 8, 256
"""Steps without drafts after those that were in vain; each time twice as many."""
TRIES, KEPT = 4, 0.8
"""Drafts by which it is told whether they pay, and the share that the past has in that after each."""


class DraftLength:
    """The number of tokens to draft next: it doubles when all were accepted, else it is one more than were.

    Attributes:
        count: that number; 0 in a pause.
    """

    def __init__(self, most: int) -> None:
        """Begin with `most`, which is never exceeded."""
        self._most = self._next = most
        self._left, self._pause = 0, FIRST_PAUSE
        self._tries, self._gained = 0, 0.0

    @property
    def count(self) -> int:
        """Tokens to draft now."""
        return 0 if self._left else self._next

    def note(self, drafted: int, accepted: int, cost: float = 0.0) -> None:
        """Learn from a step, also from one without drafts; `cost` is that of the draft, in tokens."""
        if not drafted:
            self._left = max(0, self._left - 1)
            return
        self._tries, self._gained = self._tries + 1, KEPT * self._gained + accepted - cost
        if self._tries >= TRIES and self._gained < 0:
            self._rest()
        elif accepted:
            self._next = min(self._most, 2 * self._next if accepted == drafted else accepted + 1)
            self._pause = FIRST_PAUSE if self._gained >= 0 else self._pause
        elif self._next > 1:
            self._next //= 2
        else:
            self._rest()

    def _rest(self) -> None:
        """Draft nothing for a while."""
        self._left, self._pause = self._pause, min(LONGEST_PAUSE, 2 * self._pause)
        self._tries, self._gained = 0, 0.0
