"""The scale search finds a channel whose activations are large, and respects float16."""

import pytest
import torch
from torch import nn

from awq.method.rounding import Scheme
from awq.method.scale_search import (
    GRID,
    RecordedCall,
    best_scale,
    candidate_scales,
    moment_error,
    replay_error,
    weight_magnitude,
)


@pytest.fixture
def outlier():
    """A linear layer whose third input is 100 times the others, its call, and the mean magnitude of its inputs."""
    torch.manual_seed(0)
    linear, x = nn.Linear(64, 48, bias=False).requires_grad_(False), torch.randn(200, 64)
    x[:, 3] *= 100
    return linear, RecordedCall((x,), {}, linear(x)), x.abs().mean(0)


def test_candidates_are_no_scale_and_the_grid():
    found = list(candidate_scales(torch.rand(8) + 0.1, torch.rand(8) + 0.1, duo_scaling=True))
    assert len(found) == GRID + 1 and torch.equal(found[0], torch.ones(8))
    assert all(abs(float(s.max() * s.min()) - 1) < 1e-4 for s in found[1:])
    assert torch.allclose(list(candidate_scales(torch.rand(8), torch.rand(8), duo_scaling=False))[1], torch.ones(8))


@pytest.mark.parametrize("by", ["replay", "moments"])
def test_a_large_channel_is_protected(outlier, by):
    linear, call, activation = outlier
    before = linear.weight.clone()
    error = replay_error(linear, [linear], call, Scheme(4, 32))
    judge = error if by == "replay" else moment_error([linear], moments_of(call.args[0], 32), Scheme(4, 32))
    scale = best_scale([linear], activation, torch.ones(64), Scheme(4, 32), judge)
    assert scale[3] > 3 * scale.median()
    assert error(scale) < error(torch.ones(64)) / 4
    assert torch.equal(linear.weight, before)


def moments_of(x, size):
    groups = x.unflatten(1, (-1, size)).transpose(0, 1)
    return groups.transpose(1, 2) @ groups


def test_moments_of_whole_rows_give_the_error_of_a_replay(outlier):
    linear, call, _ = outlier
    scale = torch.rand(64, generator=torch.Generator().manual_seed(0)) + 0.5
    replayed = replay_error(linear, [linear], call, Scheme(4, 32))(scale) * call.output.numel()
    found = moment_error([linear], moments_of(call.args[0], 64), Scheme(4, 32))(scale)
    assert found == pytest.approx(replayed, rel=1e-3)


def test_a_scale_that_overflows_float16_is_not_taken(outlier):
    linear, call, activation = outlier
    largest = torch.full((64,), 60000.0)
    error = replay_error(linear, [linear], call, Scheme(4, 32))
    scale = best_scale([linear], activation, largest, Scheme(4, 32), error)
    assert (largest / scale).max() <= 65504


def test_weight_magnitude_is_the_mean_share_of_the_group_maximum():
    linear = nn.Linear(4, 2, bias=False)
    linear.weight.data = torch.tensor([[1.0, -2.0, 4.0, 4.0], [1.0, 1.0, 0.0, 3.0]])
    torch.testing.assert_close(weight_magnitude([linear], 2).detach(), torch.tensor([0.75, 1.0, 0.5, 1.0]))
