"""The linear layers of experts with INT4 weights and int8 activations against NumPy, on every CPU that this one is."""

import numpy as np
import pytest
from tests.tytvm.kernels.experts.test_experts_w16a16 import grouped_rows
from tests.tytvm.kernels.harness import RUNNABLE, Kernel, outputs
from tests.tytvm.kernels.linear.test_int4_weight import random_weight

from tytvm.kernels.experts import experts_w4a8
from tytvm.kernels.linear import int4_weight
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.rowwise import quantize_rows
from tytvm.target import resolve

CASES = [
    # tokens, chosen, experts, K, N, group, activation group
    (1, 2, 8, 128, 32, 64, 64),
    (40, 2, 6, 256, 48, 128, 32),
]


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("gathers", [True, False])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case, gathers, biased, target):
    tokens, chosen, experts, K, N, group, activation_group = case
    groups, rng = ExpertGroups(tokens, chosen, experts), np.random.default_rng(K)

    def codes(count):
        return quantize_rows.reference(rng.normal(size=(count, K)).astype(np.float32), activation_group)

    tensors, expert_of, made, (q, scale, _) = grouped_rows(groups, gathers, rng, codes)
    weight = random_weight(rng, experts * N, K, group)
    expected = experts_w4a8.reference(expert_of, q, scale, *weight, experts)
    packed = int4_weight.pack(*weight)
    bias = rng.normal(size=(experts, N)).astype(np.float32) * biased
    expected = expected + bias[expert_of]
    spec = resolve(target)
    kernel = Kernel(experts_w4a8.build(spec, groups, K, N, group, activation_group, gathers, biased), spec)
    (out,) = outputs(
        kernel, [*tensors, *made, *packed.values(), *([bias.reshape(-1)] if biased else [])], expected, workers=3
    )
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
