"""The range found is the best of all trials."""

import pytest
import torch

from awq.method.range_search import TRIALS, best_grid, rounding_cost, whole_range
from awq.method.rounding import SMALLEST, Grid, Scheme, grid_of_range
from hf_checkpoint.finite_check import LARGEST

SCHEMES = [Scheme(4, 32), Scheme(8, 32), Scheme(4, 32, symmetric=True)]


@pytest.fixture
def problem():
    """A group [g, n] with far weights that are worth clipping, and a metric [g, g]."""
    generator = torch.Generator().manual_seed(0)
    group = torch.randn(32, 20, generator=generator)
    group[5] *= 4
    x = torch.randn(64, 32, generator=generator) * torch.rand(32, generator=generator)
    return group, x.T @ x


def tried(column, metric, scheme):
    """The costs of all trials for one column, by loops."""
    low, high = min(0.0, float(column.min())), max(0.0, float(column.max()))
    costs = []
    for below, above in [(1, 1), *TRIALS]:
        if below == above or not scheme.symmetric:
            scale, zero = grid_of_range(torch.tensor(below * low), torch.tensor(above * high), scheme)
            costs.append(of_grid(column, scale, zero, metric, scheme))
    return costs


def of_grid(column, scale, zero, metric, scheme):
    rounded = [(min(max(round(float(w / scale)) + float(zero), 0), scheme.levels) - zero) * scale for w in column]
    error = torch.stack(rounded).double() - column.double()
    return float(error @ metric.double() @ error)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_trial_is_better(problem, scheme):
    group, metric = problem
    scale, zero = best_grid(group, metric, scheme)
    clipped = 0
    for column in range(group.shape[1]):
        trials = tried(group[:, column], metric, scheme)
        found = of_grid(group[:, column], scale[column], zero[column], metric, scheme)
        assert found == pytest.approx(min(trials), rel=1e-3)
        clipped += found < 0.99 * trials[0]
    assert clipped > 5 or scheme.bits == 8


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_a_metric_the_range_is_whole(problem, scheme):
    group, _ = problem
    expected = grid_of_range(*whole_range(group), scheme)
    assert all(map(torch.equal, best_grid(group, None, scheme), expected))


def test_a_diagonal_metric_is_a_vector_too(problem):
    group, metric = problem
    diagonal = metric.diagonal()
    found = best_grid(group, diagonal, SCHEMES[0])
    assert all(map(torch.equal, found, best_grid(group, diagonal.diag(), SCHEMES[0])))


def test_the_cost_is_that_of_the_error(problem):
    group, metric = problem
    scale, zero = grid_of_range(*whole_range(group), SCHEMES[0])
    expected = [of_grid(group[:, i], scale[i], zero[i], metric, SCHEMES[0]) for i in range(20)]
    found = rounding_cost(group, Grid(scale, zero), metric, SCHEMES[0])
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-3, atol=0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_zeros_and_what_float16_cannot_hold_get_grids_that_it_can(problem, scheme):
    group = torch.stack([torch.zeros(32), torch.full((32,), 1e-12), torch.full((32,), -3e5)], 1)
    scale, zero = best_grid(group, problem[1], scheme)
    assert (scale >= SMALLEST).all() and (scale <= LARGEST).all() and torch.equal(scale, scale.half().float())
    assert ((zero >= 0) & (zero <= scheme.levels)).all()


def test_zero_is_always_within_the_range():
    low, high = whole_range(torch.tensor([[1.0, -1.0], [2.0, -3.0]]))
    assert low.tolist() == [0.0, -3.0] and high.tolist() == [2.0, 0.0]
