"""Eight bits with the range search are better than without, and within float16's neighborhood."""

import pytest
import torch

from awq.method.rounding import Scheme, quantize_to_nearest
from awq.tasks.vision_tower import quantize_within_range


@pytest.mark.parametrize("group_size", [32, 96])
def test_the_searched_range_costs_no_more(group_size):
    weight = torch.randn(24, 96, generator=torch.Generator().manual_seed(0))
    for bits in (4, 8):
        scheme = Scheme(bits, group_size, symmetric=True)
        plain, found = quantize_to_nearest(weight, scheme), quantize_within_range(weight, scheme)
        assert found.codes.shape == plain.codes.shape and found.scales.shape == plain.scales.shape == found.zeros.shape
        errors = [float((each.dequantize() - weight).square().sum()) for each in (plain, found)]
        assert errors[1] <= errors[0] * (0.95 if bits == 4 else 1.0)
        assert (found.zeros == scheme.middle).all()
    assert (found.dequantize() - weight).norm() < 0.02 * weight.norm()
