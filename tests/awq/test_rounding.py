"""INT4 rounding against its formula."""

import pytest
import torch

from awq.rounding import LEVELS, quantize_weight, round_weight


@pytest.fixture
def weight():
    return torch.randn(24, 128, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("group_size", [32, 64, 128])
def test_weight_is_q_minus_zero_times_scale(weight, group_size):
    q, zeros, scales = quantize_weight(weight, group_size)
    assert q.dtype == zeros.dtype == torch.uint8 and scales.dtype == torch.float16
    assert q.shape == (24, 128) and zeros.shape == scales.shape == (24, 128 // group_size)
    back = (q.unflatten(1, (-1, group_size)) - zeros[..., None].float()) * scales[..., None].float()
    assert torch.equal(back.flatten(1), round_weight(weight, group_size))


def test_no_weight_moves_further_than_half_a_step(weight):
    _, zeros, scales = quantize_weight(weight, 32)
    error = (round_weight(weight, 32) - weight).unflatten(1, (-1, 32)).abs().amax(-1)
    # the zero point is rounded too, so a value at the end of the range may be cut by up to half a step more
    assert (error <= scales.float() * 1.01).all()
    assert zeros.max() <= LEVELS


def test_groups_of_one_sign_keep_their_range():
    weight = torch.linspace(3, 4, 64)[None]  # AutoAWQ clamps the zero point here and loses the upper values
    assert (round_weight(weight, 64) - weight).abs().max() < 4 / LEVELS


def test_tiny_and_zero_weights_stay_finite():
    weight = torch.zeros(2, 32)
    weight[1] = 1e-9
    assert torch.equal(round_weight(weight, 32)[0], torch.zeros(32))
    assert quantize_weight(weight, 32).scales.min() > 0
