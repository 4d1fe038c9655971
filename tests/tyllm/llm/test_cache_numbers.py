"""Attentions of one layer's number get caches of their own; numbers that differ stay."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation

from tyllm.llm.cache_numbers import check_caches, count_caches
from tyllm_base.errors import UnsupportedError
from tytvm.capture import capture
from tytvm.graph import kv_layout


def step(layers):
    def attends(x):
        for layer in layers:
            x = torch.ops.tytvm.attention(x, x, x, layer, 1.0).transpose(1, 2)
        return x + 1

    return capture(Calculation(attends), {"x": torch.zeros(1, 2, 6, 4, device="meta")})


@pytest.mark.parametrize(("layers", "numbers"), [((3, 3, 5), [0, 1, 2]), ((5, 3), [5, 3])], ids=["twice", "once"])
def test_each_attention_has_a_cache(layers, numbers):
    captured = step(layers)
    count_caches(captured)
    assert [name for name in kv_layout(captured, 8).specs if name.endswith("k")] == [f"{n}.k" for n in numbers]


def test_layers_attend_alike():
    check_caches(step((0, 1)), 2, "Small")
    check_caches(step((0, 1, 0, 1)), 2, "Small")
    for layers in ((), (0,), (0, 1, 2)):
        with pytest.raises(UnsupportedError, match=f"Small attends to a text {len(layers)} times in 2 layers"):
            check_caches(step(layers), 2, "Small")
