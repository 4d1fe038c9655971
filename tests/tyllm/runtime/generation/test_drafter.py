"""A drafter proposes what stood before, and learns what the model said instead."""

from tyllm.runtime.generation.drafter import Drafter, shared_length


def test_a_draft_is_compared_with_what_was_picked():
    drafter = Drafter([1, 2, 3, 4, 5, 1], 3)
    assert drafter.look_up(3) == []
    assert (drafter.count(9), drafter.count(2), drafter.count(-1)) == (3, 2, 0)
    assert drafter.learn([], [2]) == 0
    assert drafter.look_up(3) == [3, 4, 5] and drafter.look_up(2) == [3, 4] and drafter.look_up(0) == []
    assert drafter.learn([3, 4, 5], [3, 4, 9]) == 2
    assert drafter.learn([7], [3]) == 0


def test_what_was_picked_is_looked_up_too():
    drafter = Drafter([1], 4)
    drafter.learn([], [2, 3, 4, 1])
    drafter.learn([], [2])
    assert drafter.look_up(4) == [3, 4, 1, 2]


def test_where_a_model_drafts_nothing_is_looked_up():
    drafter = Drafter(None, 4)
    assert drafter.learn([1, 2], [1, 3]) == 1 and drafter.look_up(4) == [] and drafter.count(9) == 2


def test_what_two_sequences_share():
    assert [shared_length([1, 2], other) for other in ([], [2], [1], [1, 3], [1, 2, 3])] == [0, 0, 1, 1, 2]
