"""The caches of a graph's attention layers: their shapes come from what enters the operator."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tytvm.capture import capture
from tytvm.graph import kv_cache, kv_layout
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.memory_layout import aligned, bytes_of

ATTENTION = torch.ops.tytvm.attention


@pytest.fixture(scope="module")
def captured():
    """Layers 3 and 0 of four and two query heads; values are wider than keys."""

    def layers(q, k, v):
        first = ATTENTION(q, k, v, 3, 1.0, 0, 0.0)
        return first, ATTENTION(q[:, :2], k, v, 0, 1.0, 0, 0.0)

    inputs = {"q": torch.zeros(1, 4, 5, 24), "k": torch.zeros(1, 2, 5, 24), "v": torch.zeros(1, 2, 5, 40)}
    return capture(Calculation(layers), {name: value.to("meta") for name, value in inputs.items()})


def test_a_cache_has_the_shapes_of_keys_and_values(captured):
    node = next(node for node in captured.graph_module.graph.nodes if node.target is ATTENTION.default)
    assert kv_cache(node, 80, "int8") == KvCache(2, 80, 24, 40, "int8")


def test_layers_lie_in_the_order_of_the_graph(captured):
    layout = kv_layout(captured, 80)
    assert list(layout.specs) == ["3.k", "3.v", "0.k", "0.v"]
    assert layout.offsets["3.v"] == aligned(bytes_of(layout.specs["3.k"]))
    assert layout.specs["0.k"].shape == KvCache(2, 80, 24, 40).keys


def test_int8_caches_have_scales(captured):
    names = list(kv_layout(captured, 80, "int8").specs)
    assert sorted(names[:4]) == sorted(["3.k", "3.v", "3.k_scale", "3.v_scale"])


def test_a_graph_without_attention_has_no_caches():
    plain = capture(Calculation(lambda x: x + 1), {"x": torch.zeros(2, device="meta")})
    assert kv_layout(plain, 80).total == 0
