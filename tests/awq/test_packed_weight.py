"""Packed weights: the parts of a weight may come one after the other, and clipping happens when asked."""

import numpy as np
import torch

from awq.packed_weight import named, pack_weight
from awq.packing import dequantize
from awq.rounding import round_weight


def test_parts_make_the_same_as_the_whole():
    weight = torch.randn(24, 64, generator=torch.Generator().manual_seed(0))
    whole, parts = pack_weight([weight], 32), pack_weight(weight.split(8), 32)
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert np.array_equal(dequantize(whole), round_weight(weight, 32).numpy())


def test_moments_clip():
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(1)) ** 3
    moments = torch.eye(32).expand(2, 32, 32)
    assert not np.array_equal(pack_weight([weight], 32, moments).scales, pack_weight([weight], 32).scales)


def test_names_follow_the_checkpoint_format():
    packed = pack_weight([torch.randn(8, 32)], 32)
    assert list(named("a.b", packed)) == ["a.b.qweight", "a.b.qzeros", "a.b.scales"]
