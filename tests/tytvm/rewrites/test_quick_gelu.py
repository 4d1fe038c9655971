"""QuickGELU is found in either order, and not where the factor is another or the sigmoid is of something else."""

import pytest
import torch


def count(graph_module):
    return graph_module.meta["rewrites"]["quick_gelu"]


def test_quick_gelu(rewritten):
    assert count(rewritten(lambda x: x * torch.sigmoid(1.702 * x), torch.randn(3, 8))) == 1


def test_sigmoid_first(rewritten):
    assert count(rewritten(lambda x: torch.sigmoid(x * 1.702) * x, torch.randn(3, 8))) == 1


@pytest.mark.parametrize(
    "formula",
    [lambda x, y: x * torch.sigmoid(1.7 * x), lambda x, y: x * torch.sigmoid(1.702 * y)],
    ids=["factor", "other"],
)
def test_what_is_no_quick_gelu_stays(rewritten, formula):
    assert count(rewritten(formula, torch.randn(3, 8), torch.randn(3, 8))) == 0
