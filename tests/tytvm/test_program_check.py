"""A planned program that contradicts itself is refused before code is generated."""

from types import SimpleNamespace

import pytest

from tytvm.collectives import ALL_REDUCE
from tytvm.memory_layout import lay_out
from tytvm.memory_plan import BufferSlice, KernelLaunch, PlannedProgram
from tytvm.program_check import check_program
from tytvm.weights import TensorSpec

LAYOUTS = {"io": lay_out({"x": TensorSpec((16,), "float32")})}
X = BufferSlice("x", "io", 0, 64)


def check(*launches):
    kernels = {"exp": SimpleNamespace(params=["x", "y"])}
    check_program(PlannedProgram((), launches, kernels, LAYOUTS, {}))


def test_a_sound_program():
    check(KernelLaunch("exp", (X, X), (1,), False), KernelLaunch(ALL_REDUCE, (X,), (0,), True))


@pytest.mark.parametrize(
    ("launch", "complaint"),
    [
        (KernelLaunch("log", (X, X), (1,), False), "no kernel log"),
        (KernelLaunch("exp", (X,), (0,), False), "exp takes 2 buffers, not 1"),
        (KernelLaunch("exp", (X, X), (2,), False), "exp writes arguments"),
        (KernelLaunch("exp", (X, BufferSlice("x", "io", 32, 64)), (1,), False), "Argument 1 of exp lies outside io"),
        (KernelLaunch(ALL_REDUCE, (X, X), (0,), False), "takes 1 buffers, not 2"),
    ],
)
def test_a_contradiction(launch, complaint):
    with pytest.raises(ValueError, match=complaint):
        check(launch)
