"""What kernels declare: emitted names, and for which targets products go to tiles."""

import pytest

from tytvm.kernels.kernel import KernelTarget, Specialization, symbol
from tytvm.kernels.operands.encoding import FLOAT32
from tytvm.target import resolve


def test_a_name_tells_sizes_and_the_flags_that_are_set():
    assert symbol("linear_w4a16", 4, 64, 40, 32) == "linear_w4a16_4_64_40_32"
    assert symbol("quantize_rows", 4, 64, 32, tiled=True, other=False) == "quantize_rows_4_64_32_tiled"


@pytest.mark.parametrize(
    ("target", "is_rounded", "rows", "expected"),
    [
        ("x86-64-avx512-amx", True, 16, True),
        ("x86-64-avx512-amx", True, 15, False),
        ("x86-64-avx512-amx", False, 16, False),
        ("x86-64-avx512-vnni", True, 16, False),
    ],
)
def test_tiles_are_for_many_rows_where_factors_may_be_rounded(target, is_rounded, rows, expected):
    assert KernelTarget(resolve(target), is_rounded).uses_tiles(rows) is expected


def test_a_kernel_reads_float32_and_needs_nothing_after_it_unless_it_says_so():
    specialization = Specialization("any", (1, 2))
    assert (specialization.inputs, specialization.workspace, specialization.followed_by) == (FLOAT32, (), None)
