"""The scale search finds a channel whose activations are large, and respects float16."""

import pytest
import torch
from torch import nn

from awq.rounding import Scheme
from awq.scale_search import GRID, Call, best_scale, candidates, rounding_error, weight_magnitude


@pytest.fixture
def outlier():
    """A linear layer whose third input is 100 times the others, its call, and the mean magnitude of its inputs."""
    torch.manual_seed(0)
    linear, x = nn.Linear(64, 48, bias=False).requires_grad_(False), torch.randn(200, 64)
    x[:, 3] *= 100
    return linear, Call((x,), {}, linear(x)), x.abs().mean(0)


def test_candidates_are_no_scale_and_the_grid():
    found = list(candidates(torch.rand(8) + 0.1, torch.rand(8) + 0.1, duo_scaling=True))
    assert len(found) == GRID + 1 and torch.equal(found[0], torch.ones(8))
    assert all(abs(float(s.max() * s.min()) - 1) < 1e-4 for s in found[1:])
    assert torch.allclose(list(candidates(torch.rand(8), torch.rand(8), duo_scaling=False))[1], torch.ones(8))


def test_a_loud_channel_is_protected(outlier):
    linear, call, activation = outlier
    before = linear.weight.clone()
    scale = best_scale(linear, [linear], call, activation, torch.ones(64), Scheme(4, 32))
    assert scale[3] > 3 * scale.median()
    plain = rounding_error(linear, [linear], call, torch.ones(64), Scheme(4, 32))
    assert rounding_error(linear, [linear], call, scale, Scheme(4, 32)) < plain / 4
    assert torch.equal(linear.weight, before)


def test_a_scale_that_overflows_float16_is_not_taken(outlier):
    linear, call, activation = outlier
    peaks = torch.full((64,), 60000.0)
    scale = best_scale(linear, [linear], call, activation, peaks, Scheme(4, 32))
    assert (peaks / scale).max() <= 65504


def test_weight_magnitude_is_the_mean_share_of_the_group_maximum():
    linear = nn.Linear(4, 2, bias=False)
    linear.weight.data = torch.tensor([[1.0, -2.0, 4.0, 4.0], [1.0, 1.0, 0.0, 3.0]])
    torch.testing.assert_close(weight_magnitude([linear], 2).detach(), torch.tensor([0.75, 1.0, 0.5, 1.0]))
