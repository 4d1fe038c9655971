"""The weighted sum of experts against NumPy."""

import numpy as np
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.experts import combine_experts
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.target import resolve


def test_equals_reference():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(15, 72)).astype(np.float32)
    place = rng.permutation(15).reshape(5, 3).astype(np.int32)
    weight = rng.random((5, 3)).astype(np.float32)
    expected = combine_experts.reference(rows, place, weight)
    kernel = Kernel(combine_experts.build(resolve("native"), ExpertGroups(5, 3, 8), 72), resolve("native"))
    (out,) = outputs(kernel, [rows, place, weight], expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
