"""Who drafts the tokens that a step verifies: prompt lookup here, or a second model (`draft_model.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tyllm.runtime.scheduler.scheduled_sequence import ScheduledSequence


class Drafts(Protocol):
    """Drafts for the sequences of a step."""

    def draft(self, sequences: Sequence[ScheduledSequence], most: int) -> list[list[int]]:
        """For each sequence the tokens that may follow its last one: at most `most` together, the first ones first."""

    def forget(self, sequence: ScheduledSequence) -> None:
        """Let go of a sequence that does not run any more."""


class LookupDrafts:
    """What each sequence's own drafter finds in its prompt and text."""

    def draft(self, sequences: Sequence[ScheduledSequence], most: int) -> list[list[int]]:
        """As `Drafts.draft`."""
        found = []
        for sequence in sequences:
            drafter = sequence.drafter
            found.append([] if drafter is None else drafter.look_up(sequence.draft_count(most)))
            most -= len(found[-1])
        return found

    def forget(self, sequence: ScheduledSequence) -> None:
        """Nothing is kept of it."""
