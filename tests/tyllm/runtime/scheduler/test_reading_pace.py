"""Prompts are read beside others as fast as a step takes no longer than twice its time, or than each one's share."""

import pytest

from tyllm.runtime.scheduler.reading_pace import LEAST, TILE, ReadingPace


def read(pace, seconds_of, steps, decoding=4, most=60, waiting=1):
    """Read a prompt for some steps; the rows of each."""
    found = []
    for _ in range(steps):
        rows = pace.rows(decoding, most, waiting)
        pace.note(decoding, rows, seconds_of(decoding + rows))
        found.append(rows)
    return found


def tiles(rows):
    """The time of a step: a tile takes as long whether it is full or not."""
    return 1 + 0.5 * (-(-rows // TILE))


@pytest.mark.parametrize(("waiting", "expected"), [(1, 28), (4, 28), (8, 52), (16, 60)])
def test_a_step_takes_twice_as_long_or_what_those_who_wait_have_a_right_to(waiting, expected):
    pace = ReadingPace()
    pace.note(
        4, 0, tiles(4)
    )  # 1.5: twice that are four tiles, three times seven, five times more than there is room for
    found = read(pace, tiles, 20, waiting=waiting)
    assert found[0] == LEAST and found[-1] == expected


def test_whole_tiles_are_read():
    pace = ReadingPace()
    pace.note(5, 0, 1.0)
    assert {(5 + rows) % TILE for rows in read(pace, tiles, 10, decoding=5)} == {0}
    assert pace.rows(5, 6, 1) <= 6


def test_some_tokens_are_read_however_long_it_takes():
    pace = ReadingPace()
    pace.note(4, 0, 1.0)
    assert read(pace, lambda rows: float(rows), 20)[-1] == LEAST
    assert pace.rows(7, 60, 1) == 2 * TILE - 7


def test_nothing_known_begins_with_the_least_and_takes_the_shortest_step_for_the_measure():
    pace = ReadingPace()
    found = read(pace, lambda rows: 1.0 + rows / 100, 30)
    assert found[0] == LEAST and found[-1] == 60


def test_the_nearest_number_of_sequences_counts():
    pace = ReadingPace()
    pace.note(1, 0, 1.0)
    pace.note(16, 0, 10.0)
    pace.note(12, 4, 8.0)
    assert pace.rows(12, 60, 1) == 28 and pace.rows(2, 60, 1) == 6


def test_a_step_that_was_held_up_counts_little():
    pace = ReadingPace()
    for seconds in (1.0, 9.0, 1.0):
        pace.note(4, 0, seconds)
    for seconds in (0.9, 9.0):
        pace.note(4, 12, seconds)
    assert pace.rows(4, 60, 1) == 12


def test_what_was_too_slow_is_tried_again():
    pace = ReadingPace()
    pace.note(4, 0, 1.0)
    pace.note(4, 4, 1.0)
    pace.note(4, 12, 3.0)
    found = [pace.rows(4, 60, 1) for _ in range(500)]
    assert found[:300] == [4] * 300 and found[-1] == 12
    pace.note(4, 12, 3.0)
    assert [pace.rows(4, 60, 1) for _ in range(300)] == [4] * 300
