"""The cost of drafts, by the times of steps with and without them."""

import pytest

from tyllm.runtime.scheduler.draft_costs import RENEWAL, DraftCosts


def test_the_cost_is_what_the_time_would_have_brought_without_drafts():
    costs = DraftCosts()
    assert costs.note([0, 0], 1.0) == [0.0, 0.0]
    assert costs.note([3, 1], 1.5) == pytest.approx([0.75, 0.25])
    assert costs.note([2, 0], 0.9) == [0.0, 0.0]
    assert costs.note([4], 9.0) == [0.0]  # no step of one sequence has been measured


def test_a_step_that_was_held_up_counts_little():
    costs = DraftCosts()
    costs.note([0], 1.0)
    costs.note([4], 2.0)
    assert costs.note([4], 50.0) == pytest.approx([1.1])
    costs.note([0], 50.0)
    assert costs.note([4], 2.0) == pytest.approx([2 / 1.05 - 1])


def test_steps_without_drafts_are_measured_first_and_now_and_then():
    costs = DraftCosts()
    costs.note([4], 1.0)
    assert costs.is_due(1)
    costs.note([0], 1.0)
    for _ in range(RENEWAL):
        assert not costs.is_due(1) and costs.is_due(2)
        costs.note([4], 1.0)
    assert costs.is_due(1)
