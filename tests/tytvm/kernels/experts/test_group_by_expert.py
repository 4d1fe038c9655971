"""Rows grouped by expert against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel

from tytvm.kernels.experts import group_by_expert
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.target import resolve


def choices(tokens, chosen, experts, seed=0):
    """Distinct experts for each token, some of them chosen by none: i64[tokens, chosen]."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(experts)[:chosen] for _ in range(tokens)])


def grouped(chosen, experts, row_count=None):
    """What the kernel makes of the choices: expert, bounds, source, place, used."""
    groups = ExpertGroups(*chosen.shape, experts)
    kernel = Kernel(group_by_expert.build(resolve("native"), groups, row_count is not None), resolve("native"))
    made = [np.full(shape, -7, dtype) for shape, dtype in groups.tensors().values()]
    count = [] if row_count is None else [np.array([row_count])]
    return kernel(*count, chosen, *made, workers=2)[len(count) + 1 :]


@pytest.mark.parametrize(("tokens", "chosen", "experts"), [(1, 2, 8), (5, 3, 4), (16, 2, 60), (3, 1, 1)])
def test_equals_reference(tokens, chosen, experts):
    numbers = choices(tokens, chosen, experts)
    expected = group_by_expert.reference(numbers, experts)
    expert, bounds, source, place, used = grouped(numbers, experts)
    found = len(expected[0])
    np.testing.assert_array_equal(expert[:found], expected[0])
    np.testing.assert_array_equal(bounds[: found + 1], expected[1])
    assert set(bounds[found:].tolist()) == {tokens * chosen}  # groups that are empty end where the last one does
    np.testing.assert_array_equal(source, expected[2])
    np.testing.assert_array_equal(place, expected[3])
    assert used.tolist() == [tokens * chosen]


@pytest.mark.parametrize("in_use", [0, 1, 3])
def test_rows_that_are_not_in_use_are_in_no_group(in_use):
    numbers = choices(5, 2, 8)
    whole = group_by_expert.reference(numbers[:in_use], 8)
    expert, bounds, source, place, used = grouped(numbers, 8, in_use)
    np.testing.assert_array_equal(expert[: len(whole[0])], whole[0])
    assert bounds[len(whole[0]) :].tolist() == [2 * in_use] * (len(bounds) - len(whole[0]))
    np.testing.assert_array_equal(source[: 2 * in_use], whole[2])
    np.testing.assert_array_equal(place[:in_use], whole[3])
    assert (source[2 * in_use :] == -7).all() and (place[in_use:] == -7).all() and used.tolist() == [2 * in_use]


def test_a_number_of_no_expert_is_the_nearest_ones():
    expert, *_ = grouped(np.array([[-3, 99]]), 4)
    assert expert.tolist() == [0, 3]
