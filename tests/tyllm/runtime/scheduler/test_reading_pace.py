"""Prompts are read beside others as fast as a step takes no longer than twice its time."""

import pytest

from tyllm.runtime.scheduler.reading_pace import FIRST, LEAST, ReadingPace


def read(pace, seconds_of, steps, decoding=4, most=64):
    """Read a prompt for some steps; the rows of each."""
    found = []
    for _ in range(steps):
        rows = min(pace.rows, most)
        pace.note(decoding, rows, seconds_of(decoding + rows))
        found.append(rows)
    return found


@pytest.mark.parametrize(("row", "expected"), [(0.02, 50), (0.05, 20), (0.1, 10)])
def test_the_pace_is_what_takes_twice_as_long(row, expected):
    pace = ReadingPace()
    pace.note(4, 0, 1 + 4 * row)  # so that `expected` rows more take 1 + 4 · row + 1
    limit = 2 * (1 + 4 * row)
    found = read(pace, lambda rows: 1 + row * rows, 60)
    settled = found[20:]
    assert found[0] == FIRST
    assert max(1 + row * (4 + rows) for rows in settled) < 1.15 * limit
    assert sum(settled) / len(settled) > 0.85 * expected


def test_some_tokens_are_read_however_long_it_takes():
    pace = ReadingPace()
    pace.note(4, 0, 1.0)
    assert read(pace, lambda rows: float(rows), 20)[-1] == LEAST


def test_the_pace_grows_while_nothing_is_known_and_where_a_prompt_uses_it():
    pace = ReadingPace()
    assert read(pace, lambda rows: 1.0, 30)[-1] == 64
    rows = pace.rows
    read(pace, lambda rows: 1.0, 30, most=3)
    assert pace.rows == rows


def test_the_nearest_number_of_sequences_counts():
    pace = ReadingPace()
    pace.note(1, 0, 1.0)
    pace.note(16, 0, 10.0)
    pace.note(12, 8, 19.0)
    assert pace.rows > FIRST
    pace.note(2, pace.rows, 19.0)
    assert pace.rows == LEAST


def test_a_step_that_was_held_up_counts_little():
    pace = ReadingPace()
    for seconds in (1.0, 9.0, 1.0):
        pace.note(4, 0, seconds)
    pace.note(4, 8, 2.2)
    assert pace.rows < FIRST
