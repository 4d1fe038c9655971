"""The linear layers of experts with INT4 weights and float activations against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.experts.test_experts_w16a16 import grouped_rows
from tests.tytvm.kernels.harness import Kernel, outputs
from tests.tytvm.kernels.linear.test_int4_weight import random_weight

from tytvm.kernels.experts import experts_w4a16
from tytvm.kernels.linear import int4_weight
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.target import resolve

CASES = [
    # tokens, chosen, experts, K, N, group
    (1, 2, 8, 128, 32, 64),
    (40, 2, 6, 64, 48, 32),
]


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize("gathers", [True, False])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case, gathers, biased, target):
    tokens, chosen, experts, K, N, group = case
    groups, rng = ExpertGroups(tokens, chosen, experts), np.random.default_rng(K)
    floats = lambda count: (rng.normal(size=(count, K)).astype(np.float32),)  # noqa: E731
    tensors, expert_of, made, (x,) = grouped_rows(groups, gathers, rng, floats)
    weight = random_weight(rng, experts * N, K, group)
    expected = experts_w4a16.reference(expert_of, x, *weight, experts)
    packed = int4_weight.pack(*weight)
    bias = rng.normal(size=(experts, N)).astype(np.float32) * biased
    expected = expected + bias[expert_of]
    kernel = Kernel(experts_w4a16.build(resolve(target), groups, K, N, group, gathers, biased), resolve(target))
    (out,) = outputs(
        kernel, [*tensors, *made, *packed.values(), *([bias.reshape(-1)] if biased else [])], expected, workers=3
    )
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=2e-6 * np.abs(expected).max())
