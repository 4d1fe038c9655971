"""The strips of GPTQ give what the textbook's loop over columns gives."""

import pytest
import torch

import awq.method.gptq
from awq.method.gptq import gptq_quantize
from awq.method.hessian import DampedHessian
from awq.method.rounding import Grid, Scheme, grid_of_range, quantize_to_nearest

pytestmark = pytest.mark.usefixtures("exact")

GENERATOR = torch.Generator()


@pytest.fixture
def problem():
    """Rows [n, K] in float64, so that nothing is decided by noise, and the Hessian of uneven, dependent inputs."""
    GENERATOR.manual_seed(0)
    weight = torch.randn(12, 256, generator=GENERATOR, dtype=torch.float64)
    mixing = torch.randn(256, 256, generator=GENERATOR, dtype=torch.float64)
    x = torch.randn(800, 256, generator=GENERATOR, dtype=torch.float64) @ mixing
    return weight, DampedHessian(x.T @ x, 800)


def textbook(weight, matrix, scheme):
    """GPTQ as published: round an input, spread its error by the inverse, strike the input out of the inverse."""
    weight, inverse = weight.clone(), torch.linalg.inv(matrix)
    codes, floats = torch.empty_like(weight), torch.empty_like(weight)
    for j in range(weight.shape[1]):
        if j % scheme.group_size == 0:
            group = weight[:, j : j + scheme.group_size]
            scale, zero = grid_of_range(group.amin(1).clamp(max=0), group.amax(1).clamp(min=0), scheme)
        codes[:, j] = (torch.round(weight[:, j] / scale) + zero).clamp(0, scheme.levels)
        floats[:, j] = (codes[:, j] - zero) * scale
        error = (weight[:, j] - floats[:, j]) / inverse[j, j]
        weight[:, j + 1 :] -= error[:, None] * inverse[j, j + 1 :]
        inverse = inverse - inverse[:, j : j + 1] * inverse[j : j + 1] / inverse[j, j]
    return codes, floats


@pytest.mark.parametrize(
    "scheme", [Scheme(4, 32), Scheme(4, 128), Scheme(8, 64), Scheme(4, 64, symmetric=True), Scheme(8, 128, True)]
)
def test_codes_are_the_textbooks(problem, scheme):
    weight, hessian = problem
    codes, floats = textbook(weight, hessian.matrix, scheme)
    found = gptq_quantize(weight.T.clone(), hessian, scheme, search=False)
    assert torch.equal(found.codes, codes)
    torch.testing.assert_close(found.dequantize(), floats.float())
    assert found.zeros.shape == found.scales.shape == (12, 256 // scheme.group_size)


def cost(error, hessian):
    return (error * (hessian.matrix @ error)).sum(0)


def test_every_part_of_the_method_costs_less(problem):
    weight, hessian = problem
    costs = [
        cost(
            gptq_quantize(weight.T.clone(), hessian, Scheme(4, 64), **parts).dequantize().T.double() - weight.T, hessian
        ).sum()
        for parts in ({}, {"search": False}, {"compensate": False}, {"search": False, "compensate": False})
    ]
    assert costs[0] < costs[1] < costs[3] and costs[0] < costs[2] < costs[3]


def test_neither_search_nor_compensation_is_rounding_to_nearest(problem):
    weight, hessian = problem
    found = gptq_quantize(weight.T.float(), hessian, Scheme(4, 64), search=False, compensate=False)
    nearest = quantize_to_nearest(weight.float(), Scheme(4, 64))
    assert torch.equal(found.codes, nearest.codes.float()) and torch.equal(found.zeros, nearest.zeros.float())
    assert torch.equal(found.dequantize(), nearest.dequantize())


@pytest.mark.parametrize("compensate", [True, False])
def test_a_given_grid_is_kept(problem, compensate):
    weight, hessian = problem
    grid = Grid(torch.full((12,), 0.5, dtype=torch.float64), torch.full((12,), 7.0, dtype=torch.float64))
    found = gptq_quantize(weight.T.clone(), hessian, Scheme(4, 256), grid, compensate=compensate)
    assert torch.equal(found.scales.T, grid.scale[None]) and torch.equal(found.zeros.T, grid.zero[None])
    nearest = (torch.round(weight.T / 0.5) + 7).clamp(0, 15)
    assert torch.equal(found.codes.T, nearest) is not compensate
    assert (
        cost(found.dequantize().T.double() - weight.T, hessian).sum()
        <= cost((nearest - 7) / 2 - weight.T, hessian).sum()
    )


def test_a_range_is_judged_by_what_later_inputs_cannot_make_up_for(problem, monkeypatch):
    weight, hessian = problem
    metrics = []

    def record(group, metric, scheme):
        metrics.append(metric)
        return grid_of_range(group.amin(0), group.amax(0), scheme)

    monkeypatch.setattr(awq.method.gptq, "best_grid", record)
    gptq_quantize(weight.T.clone(), hessian, Scheme(4, 64))
    for number, metric in enumerate(metrics):
        own, later = slice(64 * number, 64 * number + 64), slice(64 * number + 64, None)
        h = hessian.matrix
        expected = h[own, own] - h[own, later] @ torch.linalg.inv(h[later, later]) @ h[later, own]
        torch.testing.assert_close(metric, expected)
