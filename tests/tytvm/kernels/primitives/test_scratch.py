"""A kernel's buffers in the thread's memory lie where it says, and no further than there is memory."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs
from tvm.script import tirx as T

from tytvm.kernels.primitives.scratch import BYTES, scratch
from tytvm.target import resolve


def test_buffers_lie_one_behind_the_other():
    @T.prim_func(private=True)
    def halves(x: T.Buffer((8,), "float32"), out: T.Buffer((4,), "float32")) -> None:
        for _ in T.parallel(1):
            whole = T.meta_var(scratch((8,), "float32"))
            second = T.meta_var(scratch((4,), "float32", 16))
            for i in range(8):
                whole[i] = x[i]
            for i in range(4):
                out[i] = second[i]

    x = np.arange(8, dtype=np.float32)
    (out,) = outputs(Kernel(halves, resolve("native")), [x], np.zeros(4, np.float32))
    np.testing.assert_array_equal(out, x[4:])


def test_more_scratch_than_there_is():
    with pytest.raises(ValueError, match="ends beyond"):
        scratch((BYTES + 1,), "uint8")
