"""The rows in use are computed as they are without a count, and no row after them, or after their pass, is touched."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel

from tytvm.kernel_choice import Kernels
from tytvm.kernels.operands.encoding import Int8
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operators import (
    CombineExperts,
    EmbeddingRows,
    Encode,
    GatedRows,
    Linear,
    RmsNorm,
    Rope,
    SelectRows,
    SwiGlu,
    TopK,
)
from tytvm.target import resolve
from tytvm.weights import W4, W16, Plain

ROWS = 12
ROWWISE = [
    RmsNorm(ROWS, 256, 1e-6, with_sum=True),
    RmsNorm(ROWS, 256, 1e-6, Int8(64)),
    SwiGlu(ROWS, 256),
    TopK(ROWS, 60, 4),
    GatedRows(ROWS, 128, "silu", Int8(64)),
    CombineExperts(ExpertGroups(ROWS, 1, 8), 96),
    SelectRows(20, 64, ROWS),
    EmbeddingRows(ROWS, Plain((9, 64), "float16")),
    Encode(ROWS, 256, Int8(64)),
    Rope(3, ROWS, 64, tokens_first=True, keeps_order=True),
]
LINEARS = [(W4(100, 128, 64), True), (W4(100, 128, 64), False), (W16(100, 48), False)]


def arrays_of(function):
    """Something for each parameter, the same each time."""
    rng = np.random.default_rng(0)
    shapes = [(tuple(int(n) for n in each.ty.shape), str(each.ty.dtype)) for each in function.params]
    return [rng.integers(0, 9, shape).astype(dtype) for shape, dtype in shapes]


def run_both(operator, int8, used, target="native"):
    """What a kernel was given and leaves without a count, and what it leaves with one."""
    spec = resolve(target)
    plain, counted = (Kernels(spec, int8, counts_rows).choose(operator) for counts_rows in (False, True))
    assert (plain.takes_count, counted.takes_count) == (False, True)
    arrays = arrays_of(plain.function())
    whole = Kernel(plain.function(), spec)(*arrays, workers=3)
    part = Kernel(counted.function(), spec)(np.array([used]), *arrays, workers=3)[1:]
    return arrays, whole, part


@pytest.mark.parametrize("used", [0, 1, 7, ROWS])
@pytest.mark.parametrize("operator", ROWWISE, ids=lambda each: type(each).__name__)
def test_loops_over_rows_end_with_the_last_in_use(operator, used):
    written = 0
    for before, whole, part in zip(*run_both(operator, True, used), strict=True):
        if np.array_equal(before, whole):
            assert np.array_equal(part, before)
            continue
        written += 1
        assert np.array_equal(part[:used], whole[:used]) and np.array_equal(part[used:], before[used:])
    assert written


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64"])
@pytest.mark.parametrize("used", [0, 1, 5, ROWS])
@pytest.mark.parametrize(("weight", "int8"), LINEARS)
def test_linear_layers_make_the_passes_that_are_needed(weight, int8, used, target):
    before, whole, part = (each[-1] for each in run_both(Linear(ROWS, weight), int8, used, target))
    assert np.array_equal(part[:used], whole[:used])
    if not used:
        assert np.array_equal(part, before)


def test_without_counting_no_kernel_takes_a_count():
    choice = Kernels(resolve("native"), True).choose(Linear(4, W4(64, 64, 64)))
    assert "row_count" not in [parameter.name for parameter in choice.function().params]
