"""How many tokens of prompts a step reads beside sequences that decode: so many that these do not stall."""

from __future__ import annotations

from tyllm.runtime.scheduler.draft_costs import least_of_late

LEAST = 4
"""Tokens beside decoding sequences, however long a step takes."""
TILE = 8
"""Rows of a step for which linear layers take as long as for fewer: a step has whole numbers of them."""
FADE = 0.999
"""By this a time is taken for shorter whenever it keeps a step from being longer: measured again after hundreds."""
HELD_UP = 1.5  # how much longer than before a step counts at most


class ReadingPace:
    """Learns from the times of steps, by their rows in whole tiles."""

    def __init__(self) -> None:
        self._without: dict[int, float] = {}
        self._together: dict[int, float] = {}

    def note(self, decoding: int, read: int, seconds: float) -> None:
        """Learn from a step.

        Args:
            decoding: sequences of which it fed a token.
            read: tokens of prompts that it fed beside them.
            seconds: that it took.
        """
        if read:
            rows = _in_tiles(decoding + read)
            self._together[rows] = min(seconds, HELD_UP * self._together.get(rows, seconds))
        else:
            self._without[decoding] = least_of_late(self._without.get(decoding, seconds), seconds)

    def rows(self, decoding: int, most: int, waiting: int) -> int:
        """Tokens of prompts for the next step.

        A step may take twice as long as the sequences alone, or longer where more sequences wait for their prompts
        than decode: each has its share of the time.

        Args:
            decoding: sequences of which it feeds a token, 1 or more.
            most: tokens for which it has room.
            waiting: sequences whose prompts are to be read.
        """
        limit = (1 + max(1, waiting / decoding)) * self._seconds_without(decoding)
        total = _in_tiles(decoding + LEAST)
        while total - decoding < most:
            if self._expected(total + TILE) > limit:
                if total + TILE in self._together:
                    self._together[total + TILE] *= FADE
                break
            total += TILE
        return min(total - decoding, most)

    def _seconds_without(self, decoding: int) -> float:
        """The time of a step of so many sequences, or of the next number that is known, or of the shortest step."""
        nearest = min(self._without, key=lambda count: abs(count - decoding), default=None)
        return min(self._together.values(), default=0.0) if nearest is None else self._without[nearest]

    def _expected(self, rows: int) -> float:
        """The time of a step of so many rows; of an unknown number on the line through smaller ones."""
        known = sorted(count for count in self._together if count <= rows)
        if not known:
            return float("inf")
        first, last = known[0], known[-1]
        least, most = self._together[first], self._together[last]
        slope = most / last if first == last else max(0.0, most - least) / (last - first)
        return most + slope * (rows - last)


def _in_tiles(rows: int) -> int:
    return -(-rows // TILE) * TILE
