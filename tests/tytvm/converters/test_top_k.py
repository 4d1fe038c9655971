"""A router's choice has a kernel; what it does not do is refused."""

import pytest
import torch
from tests.tytvm.imported_graph import of_function

from tyllm_base.errors import UnsupportedError

X = torch.zeros(2, 3, 8)


def test_of_the_last_axis():
    assert "top_k_6_8_2" in of_function(lambda x: torch.topk(x, 2, dim=-1), x=X)
    assert "top_k_6_8_2" in of_function(lambda x: torch.topk(x, 2), x=X)


def test_a_maximum_is_the_first_of_one():
    assert "top_k_6_8_1" in of_function(lambda x: torch.max(x, dim=-1, keepdim=True), x=X)
    with pytest.raises(UnsupportedError, match="a maximum not along the last axis: no kernel does"):
        of_function(lambda x: torch.max(x, dim=0), x=X)


@pytest.mark.parametrize("arguments", [{"dim": 1}, {"largest": False}], ids=str)
def test_others_are_refused(arguments):
    with pytest.raises(UnsupportedError, match="top-k of the smallest, or not along the last axis: no kernel does"):
        of_function(lambda x: torch.topk(x, 2, **arguments), x=X)
