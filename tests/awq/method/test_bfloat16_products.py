"""The precision of products is another inside, only where there are tiles, and always the old one behind."""

import pytest
import torch

import awq.method.bfloat16_products
from awq.method.bfloat16_products import tiled_products


@pytest.mark.parametrize(("tiles", "inside"), [(True, "medium"), (False, "highest")])
def test_products_are_rounded_inside_only_and_where_there_are_tiles(monkeypatch, tiles, inside):
    monkeypatch.setattr(awq.method.bfloat16_products, "has_tiles", lambda: tiles)
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.raises(KeyError), tiled_products():
        assert torch.get_float32_matmul_precision() == inside
        raise KeyError
    assert torch.get_float32_matmul_precision() == "highest"
