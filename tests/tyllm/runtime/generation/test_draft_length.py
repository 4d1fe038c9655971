"""The number of drafted tokens follows what is accepted, and is none for a while where nothing is."""

from tyllm.runtime.generation.draft_length import FIRST_PAUSE, LONGEST_PAUSE, TRIES, DraftLength


def test_it_follows_what_is_accepted():
    length = DraftLength(8)
    assert length.count == 8
    length.note(8, 2)
    assert length.count == 3
    length.note(3, 3)
    assert length.count == 6
    length.note(6, 6)
    assert length.count == 8
    length.note(8, 0)
    assert length.count == 4


def test_in_vain_it_pauses_for_longer_and_longer():
    length, pauses = DraftLength(2), []
    length.note(2, 0)
    for _ in range(8):
        length.note(length.count, 0)
        pauses.append(0)
        while not length.count:
            length.note(0, 0)
            pauses[-1] += 1
    assert pauses == [FIRST_PAUSE * 2**n for n in range(5)] + [LONGEST_PAUSE] * 3 and pauses[5] == LONGEST_PAUSE
    length.note(1, 1)
    length.note(2, 0)
    length.note(1, 0)
    steps = 0
    while not length.count:
        length.note(0, 0)
        steps += 1
    assert steps == FIRST_PAUSE


def test_steps_without_a_match_change_nothing():
    length = DraftLength(4)
    length.note(0, 0)
    assert length.count == 4


def pause_after(length, accepted, cost):
    """The drafts until it pauses, at most 50, and the steps that it pauses for."""
    tries = 0
    while length.count and tries < 50:
        length.note(4, accepted, cost)
        tries += 1
    steps = 0
    while not length.count:
        length.note(0, 0)
        steps += 1
    return tries, steps


def test_drafts_that_bring_less_than_they_cost_are_left_out_for_longer_and_longer():
    length = DraftLength(4)
    assert [pause_after(length, 2, 2.5) for _ in range(3)] == [(TRIES, FIRST_PAUSE * 2**n) for n in range(3)]
    assert pause_after(length, 2, 1.5) == (50, 0)
    tries, steps = pause_after(length, 0, 1.5)
    assert tries <= TRIES and steps == FIRST_PAUSE


def test_one_dear_draft_is_no_reason_to_pause():
    length = DraftLength(4)
    for cost in (1, 1, 5, 1, 1, 1, 1):
        length.note(4, 3, cost)
        assert length.count
