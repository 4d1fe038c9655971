"""The number of inputs that share one scale of the int8 activations of a linear layer."""

import math

from tytvm.weights import W4

_MOST = 128  # docs/log/linear_kernels.md has what 32, 64 and 128 cost in accuracy


def int8_group(weight: W4) -> int:
    """Inputs that share a scale of the activations: as many as divide a group of the weight, at most 128."""
    return math.gcd(_MOST, weight.group_size)
