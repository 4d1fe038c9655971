"""Rounding against its formula, for both sizes of codes, with zero points and without."""

import pytest
import torch

from awq.method.rounding import Scheme, quantize_to_nearest, round_to_nearest

SCHEMES = [Scheme(bits, size, symmetric) for bits in (4, 8) for size in (32, 128) for symmetric in (False, True)]


@pytest.fixture
def weight():
    return torch.randn(24, 128, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_weight_is_q_minus_zero_times_scale(weight, scheme):
    rounded = quantize_to_nearest(weight, scheme)
    q, zeros, scales = rounded.codes, rounded.zeros, rounded.scales
    assert q.dtype == zeros.dtype == torch.uint8 and scales.dtype == torch.float16
    assert q.shape == (24, 128) and zeros.shape == scales.shape == (24, 128 // scheme.group_size)
    back = (q.unflatten(1, (-1, scheme.group_size)) - zeros[..., None].float()) * scales[..., None].float()
    assert torch.equal(back.flatten(1), round_to_nearest(weight, scheme))
    assert torch.equal(back.flatten(1), rounded.dequantize())
    assert q.max() <= scheme.levels and zeros.max() <= scheme.levels


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_no_weight_moves_further_than_a_step(weight, scheme):
    scales = quantize_to_nearest(weight, scheme).scales
    error = (round_to_nearest(weight, scheme) - weight).unflatten(1, (-1, scheme.group_size)).abs().amax(-1)
    # the zero point is rounded too, so a value at the end of the range may be cut by up to half a step more
    assert (error <= scales.float() * 1.02).all()


def test_symmetric_rounding_has_the_middle_as_its_zero_point(weight):
    for bits, middle in ((4, 8), (8, 128)):
        rounded = quantize_to_nearest(weight, Scheme(bits, 128, symmetric=True))
        q, zeros, scales = rounded.codes, rounded.zeros, rounded.scales
        assert (zeros == middle).all()
        expected = weight.abs().amax(-1, keepdim=True) / ((2**bits - 1) / 2)  # compressed-tensors' calculate_qparams
        assert torch.equal(scales, expected.half())
        assert q.min() == 0 or q.max() == 2**bits - 1


def test_groups_of_one_sign_keep_their_range():
    weight = torch.linspace(3, 4, 64)[None]  # AutoAWQ clamps the zero point here and loses the upper values
    assert (round_to_nearest(weight, Scheme(4, 64)) - weight).abs().max() < 4 / 15


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_groups_of_zeros_stay_zero(scheme):
    weight = torch.zeros(2, 128)
    assert torch.equal(round_to_nearest(weight, scheme), weight)
    assert quantize_to_nearest(weight, scheme).scales.min() > 0


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("size", [1e-9, 3e-8, 1e-6, 1e-5])
def test_weights_that_underflow_float16_stay_near(scheme, size):
    weight = torch.linspace(-size, size, 256).view(2, 128)
    scales = quantize_to_nearest(weight, scheme).scales
    assert scales.min() > 0
    # float16 has steps of 2^-24 here: a scale off by half of one moves the end of the range by that times the codes
    assert (round_to_nearest(weight, scheme) - weight).abs().max() <= scheme.levels * 2.0**-25 + scales.max()


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("size", [1e6, 3e38])
def test_ranges_beyond_float16_are_cut_and_stay_finite(scheme, size):
    weight = torch.ones(1, 128)
    weight[0, 5], weight[0, 40] = size, -size
    rounded = quantize_to_nearest(weight, scheme)
    assert torch.isfinite(rounded.scales).all()
    back = rounded.dequantize()
    assert torch.isfinite(back).all() and back[0, 5] > 6e4 and back[0, 40] < -6e4
