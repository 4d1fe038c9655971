"""RMSNorm is found in the spellings of the model families, and only where it is one."""

import pytest
import torch
from torch import nn


class Norm(nn.Module):
    """A norm over the last axis as `formula(x, weight)` spells it."""

    def __init__(self, formula, size=8):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size))
        self.formula = formula

    def forward(self, x):
        return self.formula(x, self.weight)


def scale(x, eps=1e-6):
    return torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def llama(x, weight):
    kept = x.dtype
    x = x.to(torch.float32)
    return weight * (x * scale(x)).to(kept)


def gemma(x, weight):
    return ((x.float() * scale(x.float())) * (1.0 + weight.float())).type_as(x)


def test_rms_norm(golden):
    assert golden(Norm(llama), torch.randn(1, 3, 8)).meta["rewrites"]["rms_norm"] == 1


def test_rms_norm_with_one_plus_weight(golden):
    assert golden(Norm(gemma), torch.randn(1, 3, 8)).meta["rewrites"]["rms_norm"] == 1


@pytest.mark.parametrize(
    "formula",
    [
        lambda x, w: scale(x) * x * w,
        lambda x, w: w * (scale(x) * x),
        lambda x, w: x * scale(x) * w,
        lambda x, w: x * torch.rsqrt((x * x).mean((-1,), keepdim=True) + 1e-6) * w,
        lambda x, w: x * torch.rsqrt(1e-6 + x.pow(2.0).mean(x.ndim - 1, keepdim=True)) * w,
    ],
)
def test_any_order_and_spelling(rewritten, formula):
    assert rewritten(Norm(formula), torch.randn(1, 3, 8)).meta["rewrites"]["rms_norm"] == 1


def test_per_head(rewritten):
    assert rewritten(Norm(llama), torch.randn(1, 3, 2, 8)).meta["rewrites"]["rms_norm"] == 1


@pytest.mark.parametrize(
    "formula",
    [
        lambda x, w: x * torch.rsqrt(x.pow(3).mean(-1, keepdim=True) ** 2 + 1e-6) * w,
        lambda x, w: x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-6) * w,
        lambda x, w: x * torch.rsqrt(x.pow(2).mean((1, 2), keepdim=True) + 1e-6) * w,
        lambda x, w: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + w.abs()) * w,
        lambda x, w: x * torch.rsqrt(torch.add(x.pow(2).mean(-1, keepdim=True), 1e-6, alpha=2)) * w,
        lambda x, w: (x + 1) * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w,
        lambda x, w: x * scale(x) * w.view(8, 1),
        lambda x, w: x * scale(x) * w[:1],
        lambda x, w: x * scale(x) * 2.0,
        lambda x, w: x * scale(x) * w.double(),
    ],
    ids=["cube", "other axis", "two axes", "eps is a tensor", "eps twice", "another x", "column", "broadcast", "number",
         "double"],
)  # fmt: skip
def test_what_is_no_rms_norm_stays(rewritten, formula):
    assert rewritten(Norm(formula), torch.randn(1, 8, 8)).meta["rewrites"]["rms_norm"] == 0


def test_a_normalized_row_that_is_read_elsewhere_is_not_computed_twice(rewritten):
    def formula(x, weight):
        normal = x * scale(x)
        return normal * weight, normal.abs()

    assert rewritten(Norm(formula), torch.randn(1, 3, 8)).meta["rewrites"]["rms_norm"] == 0


def test_the_row_itself_may_be_read_elsewhere(rewritten):
    assert rewritten(Norm(lambda x, w: (llama(x, w), x.abs())), torch.randn(1, 3, 8)).meta["rewrites"]["rms_norm"] == 1
