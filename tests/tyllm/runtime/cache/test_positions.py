"""Positions as numbers, and as rows of a table that is made when images come."""

import numpy as np
import pytest

from tyllm.runtime.cache.positions import MAX_POSITION, CountedPositions, MropePositions
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.prompt.rope_index import Span, rope_index
from tyllm_base.errors import GenerationError, StepError

ROWS = 12


class FakeRope:
    """A table whose row is its three positions, and how often it was asked for."""

    def __init__(self):
        self.plain, self.asked = self.table(rope_index(ROWS, [])), 0

    def table_of(self, positions):
        self.asked += 1
        return self.table(positions)

    def table(self, positions):
        return np.repeat(positions.T[:, None, :], 2, axis=1).astype(np.float32)


def fed(positions, start, seq_len):
    """The temporal positions of a step."""
    io = {"rope_param": np.full((seq_len, 2, 3), 99, np.float32)}
    positions.write_inputs(io, range(seq_len), start)
    return io["rope_param"][:, 0, 0].tolist()


def seeing(count, start, grid, step=1):
    return Prompt([9] * count, rope_positions=rope_index(count, [Span(start, grid, step)]))


def test_text_needs_no_table_of_its_own():
    rope = FakeRope()
    positions = MropePositions(rope)
    positions.assign(0, Prompt([1, 2, 3]))
    positions.assign(3, Prompt([4]))
    assert fed(positions, 2, 4) == [2, 3, 4, 5]
    assert fed(positions, 10, 4) == [10, 11, 0, 0]
    assert rope.asked == 0


def test_one_table_serves_a_prompt_and_what_is_generated_after_it():
    rope = FakeRope()
    positions = MropePositions(rope)
    positions.assign(0, seeing(7, 1, (1, 2, 2)))
    for at in (7, 8, 9):
        positions.assign(at, Prompt([1]))
    assert fed(positions, 0, 11) == [0, 1, 1, 1, 1, 3, 4, 5, 6, 7, 8]
    assert rope.asked == 1


def test_after_a_long_video_generation_goes_on_behind_its_end():
    positions = MropePositions(FakeRope())
    positions.assign(0, seeing(5, 1, (3, 1, 1), step=4))
    assert fed(positions, 0, 7) == [0, 1, 5, 9, 2, 10, 11]


def test_text_after_images_that_were_forgotten_counts_again():
    positions = MropePositions(FakeRope())
    positions.assign(0, seeing(7, 1, (1, 2, 2)))
    positions.assign(2, Prompt([1] * 4))  # the image's first token stays
    assert fed(positions, 0, 7) == [0, 1, 2, 3, 4, 5, 6]
    positions.assign(0, Prompt([1] * 8))
    assert fed(positions, 0, 9) == list(range(9))


def test_what_stands_at_the_same_positions_is_shared():
    positions, prompt = MropePositions(FakeRope()), seeing(7, 1, (1, 2, 2))
    positions.assign(0, prompt)
    assert positions.shared_length(prompt) == 7
    assert positions.shared_length(seeing(7, 2, (1, 2, 2))) == 2
    assert positions.shared_length(Prompt([1] * 7)) == 2  # the first token of an image stands where a text's would


def test_saved_positions_come_back():
    positions, other = MropePositions(FakeRope()), MropePositions(FakeRope())
    positions.assign(0, seeing(7, 1, (1, 2, 2)))
    other.restore(positions.to_arrays(6))
    assert fed(other, 0, 9) == fed(positions, 0, 9)


def test_counted_positions():
    positions, io = CountedPositions(), {"positions": np.zeros((1, 3), np.int64)}
    positions.assign(0, Prompt([1]))
    positions.write_inputs(io, range(3), 4)
    assert io["positions"].tolist() == [[4, 5, 6]]
    assert positions.shared_length(Prompt([1, 2])) == 2
    assert positions.to_arrays(5) == {}
    positions.restore({})


@pytest.mark.parametrize("value", [-1, MAX_POSITION + ROWS + 1, 2**31 - 1])
def test_positions_that_cannot_be_change_nothing(value):
    positions = MropePositions(FakeRope())
    positions.assign(0, seeing(7, 1, (1, 2, 2)))
    before, places = fed(positions, 0, 9), np.zeros((3, 4), np.int32)
    places[1, 2] = value
    with pytest.raises(ValueError, match="a position is outside 0 to"):
        positions.restore({"places": places})
    assert fed(positions, 0, 9) == before


def test_a_table_that_cannot_be_made_changes_nothing(monkeypatch):
    positions = MropePositions(FakeRope())
    prompt, before = seeing(7, 1, (1, 2, 2)), fed(positions, 0, 9)

    def fail(places):
        raise StepError("The program failed.")

    monkeypatch.setattr(positions._rope, "table_of", fail)
    for change in (lambda: positions.assign(0, prompt), lambda: positions.restore({"places": prompt.rope_positions})):
        with pytest.raises(StepError):
            change()
        assert fed(positions, 0, 9) == before
        assert positions.shared_length(Prompt([1] * 7)) == 7


def test_a_position_that_no_float_tells_apart_is_refused():
    with pytest.raises(GenerationError, match="stands at position 33,554,432 and 16,777,216 is the last"):
        MropePositions(FakeRope()).assign(0, seeing(5, 0, (3, 1, 1), step=MAX_POSITION))
