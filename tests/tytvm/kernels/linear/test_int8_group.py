"""A group of activations divides the weight's group, and is as large as it may be."""

import pytest

from tytvm.kernels.linear.int8_group import int8_group
from tytvm.weights import W4


@pytest.mark.parametrize(
    ("weight_group", "expected"), [(32, 32), (64, 64), (96, 32), (128, 128), (192, 64), (256, 128)]
)
def test_activation_groups_divide_the_weights_groups(weight_group, expected):
    assert int8_group(W4(16, 768, weight_group)) == expected
