"""Rotary positions read heads where a linear layer left them."""

import pytest
import torch
from tests.tytvm.imported_graph import calls, imported, of_function
from tests.tytvm.small_graph import Calculation, graph_of

from tyllm_base.errors import UnsupportedError
from tytvm.lower import lower


def test_the_transpose_before_a_rotation_is_left_out():
    def rotate(x, cos, sin):
        return (torch.ops.tytvm.rope(x.transpose(1, 2), cos, sin),)

    x, table = torch.zeros(1, 3, 4, 16), torch.zeros(1, 3, 16)
    found = calls(lower(imported(graph_of(Calculation(rotate), x=x, cos=table, sin=table))))
    assert [name for name in found if "reshape" not in name] == ["rope_4_3_16_by_token"]


def test_tokens_first_stay_first():
    def rotate(x, cos, sin):
        return (torch.ops.tytvm.rope(x, cos, sin),)

    table = torch.zeros(3, 16)
    assert of_function(rotate, x=torch.zeros(3, 4, 16), cos=table, sin=table) == ["rope_4_3_16_by_token_kept"]


def test_a_batch_is_refused():
    def rotate(x, cos, sin):
        return (torch.ops.tytvm.rope(x, cos, sin),)

    table = torch.zeros(2, 3, 16)
    with pytest.raises(UnsupportedError, match="a batch of 2 cannot be compiled; use a batch of 1"):
        of_function(rotate, x=torch.zeros(2, 4, 3, 16), cos=table, sin=table)
