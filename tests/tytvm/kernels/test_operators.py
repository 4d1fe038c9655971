"""Operators are values that can be compared, and each has a kernel."""

import inspect

from tytvm.kernel_choice import KERNELS
from tytvm.kernels import operators
from tytvm.kernels.operators import Linear, RmsNorm
from tytvm.weights import W4


def test_every_operator_has_a_kernel():
    own = {each for _, each in inspect.getmembers(operators, inspect.isclass) if each.__module__ == operators.__name__}
    assert own == {kernel.operator for kernel in KERNELS} - {operators.Attention}


def test_equal_operators_are_one():
    assert len({Linear(4, W4(40, 64, 32)), Linear(4, W4(40, 64, 32)), Linear(4, W4(40, 64, 32), True)}) == 2
    assert RmsNorm(4, 32, 1e-6) != RmsNorm(4, 32, 1e-5)
