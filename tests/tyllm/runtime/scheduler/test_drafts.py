"""Lookups of several sequences share the rows of a step."""

from types import SimpleNamespace

from tyllm.runtime.generation.drafter import Drafter
from tyllm.runtime.scheduler.drafts import LookupDrafts


def sequence(prompt, most=4):
    drafter = Drafter(prompt, most) if most else None
    return SimpleNamespace(drafter=drafter, draft_count=lambda count: drafter.count(count))


def test_the_first_sequences_are_served_first():
    repeated = [1, 2, 3, 4, 5, 1, 2]
    drafts = LookupDrafts()
    sequences = [sequence(repeated), sequence([1, 2]), sequence(repeated, 0), sequence(repeated)]
    assert drafts.draft(sequences, 7) == [[3, 4, 5, 1], [], [], [3, 4, 5]]
    assert drafts.draft(sequences, 0) == [[], [], [], []]
    drafts.forget(sequences[0])
