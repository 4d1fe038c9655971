"""Operators that become others give the same values, wholly compiled."""

import pytest
import torch
import torch.nn.functional as F
from tests.tyllm.torch_edgex.blocks import TOLERANCE, error, wholly_compiled

MASK = torch.tensor([[True, False, True], [True, True, True]])
OPERATORS = {
    "bool mask": lambda x: F.scaled_dot_product_attention(x[..., :2, :], x[..., :3, :], x[..., :3, :], attn_mask=MASK),
    "causal": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "layer norm": lambda x: F.layer_norm(x, (6, 10)),
    "group norm": lambda x: F.group_norm(x, 2, torch.arange(1.0, 5.0), torch.ones(4)),
    "glu": lambda x: F.glu(x, 1),
    "where": lambda x: torch.where(x > 0, x, -2.0) + torch.where(x > 1, 3.0, x),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    torch.manual_seed(2)
    function, x = OPERATORS[name], torch.randn(2, 4, 6, 10)
    found = wholly_compiled(function, x)
    assert found.shape == function(x).shape
    assert error(found, function(x)) < TOLERANCE
