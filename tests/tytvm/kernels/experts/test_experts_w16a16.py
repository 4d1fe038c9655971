"""The linear layers of experts with float16 weights against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.experts.test_group_by_expert import choices
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.experts import experts_w16a16, group_by_expert
from tytvm.kernels.linear import float16_weight
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.target import resolve

CASES = [
    # tokens, chosen, experts, K, N
    (1, 2, 8, 64, 32),
    (9, 3, 4, 96, 80),
    (40, 2, 6, 48, 16),
]


def grouped_rows(groups, gathers, rng, make):
    """The tensors of groups of random choices, as the kernels take them; each row's expert; what `make` has of rows.

    Returns:
        The tensors, the expert of each grouped row, what is read, and the same by grouped rows.
    """
    numbers = choices(groups.tokens, groups.chosen, groups.experts, int(rng.integers(99)))
    expert, bounds, source, _ = group_by_expert.reference(numbers, groups.experts)
    most = groups.most_groups
    expert_of = np.repeat(expert, np.diff(bounds))
    padded = [np.pad(expert, (0, most - len(expert))), np.pad(bounds, (0, most + 1 - len(bounds)), "edge")]
    made = make(groups.tokens if gathers else groups.rows)
    rows = tuple(each[source] for each in made) if gathers else made
    return [*padded, *([source] if gathers else [])], expert_of, made, rows


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize("gathers", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case, gathers, target):
    tokens, chosen, experts, K, N = case
    groups, rng = ExpertGroups(tokens, chosen, experts), np.random.default_rng(K)
    floats = lambda count: (rng.normal(size=(count, K)).astype(np.float32),)  # noqa: E731
    tensors, expert_of, made, (x,) = grouped_rows(groups, gathers, rng, floats)
    stack = rng.normal(size=(experts, N, K)).astype(np.float16)
    expected = experts_w16a16.reference(expert_of, x, stack)
    packed = float16_weight.pack(stack.reshape(-1, K))["weight"]
    kernel = Kernel(experts_w16a16.build(resolve(target), groups, K, N, gathers), resolve(target))
    (out,) = outputs(kernel, [*tensors, *made, packed], expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("gathers", [True, False])
def test_each_expert_adds_its_own_bias(gathers):
    groups, rng = ExpertGroups(7, 2, 5), np.random.default_rng(0)
    floats = lambda count: (rng.normal(size=(count, 64)).astype(np.float32),)  # noqa: E731
    tensors, expert_of, made, (x,) = grouped_rows(groups, gathers, rng, floats)
    stack, bias = rng.normal(size=(5, 80, 64)).astype(np.float16), rng.normal(size=5 * 80).astype(np.float32)
    expected = experts_w16a16.reference(expert_of, x, stack, bias)
    packed = float16_weight.pack(stack.reshape(-1, 64))["weight"]
    kernel = Kernel(experts_w16a16.build(resolve("native"), groups, 64, 80, gathers, True), resolve("native"))
    (out,) = outputs(kernel, [*tensors, *made, packed, bias], expected, workers=3)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=2e-6 * np.abs(expected).max())
