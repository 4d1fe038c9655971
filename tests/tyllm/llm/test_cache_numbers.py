"""Attentions of one layer's number get caches of their own; numbers that differ stay."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation

from tyllm.llm.cache_numbers import count_caches
from tytvm.capture import capture
from tytvm.graph import kv_layout


@pytest.mark.parametrize(("layers", "numbers"), [((3, 3, 5), [0, 1, 2]), ((5, 3), [5, 3])], ids=["twice", "once"])
def test_each_attention_has_a_cache(layers, numbers):
    def attends(x):
        for layer in layers:
            x = torch.ops.tytvm.attention(x, x, x, layer, 1.0).transpose(1, 2)
        return x

    captured = capture(Calculation(attends), {"x": torch.zeros(1, 2, 6, 4, device="meta")})
    count_caches(captured)
    assert [name for name in kv_layout(captured, 8).specs if name.endswith("k")] == [f"{n}.k" for n in numbers]
