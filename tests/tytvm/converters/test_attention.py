"""Attention appends to its layer's caches, then reads them; of one row in splits."""

import torch
from tests.tytvm.imported_graph import calls, imported
from tests.tytvm.small_graph import Calculation, graph_of

from tytvm.graph import kv_layout
from tytvm.weights import TensorSpec


def test_attention_appends_to_the_caches_of_its_layer():
    def attend(q, k, v):
        return (torch.ops.tytvm.attention(q, k, v, 7, 0.5, 0, 0.0),)

    q, kv = torch.zeros(1, 4, 3, 16), torch.zeros(1, 2, 3, 16)
    graph = graph_of(Calculation(attend), kv_capacity=20, q=q, k=kv, v=kv)
    layout = kv_layout(graph.capture, 20)
    shapes = {"7.k": (2, 2, 16, 16), "7.v": (2, 32, 16)}
    assert dict(layout.specs) == {name: TensorSpec(shape, "float16") for name, shape in shapes.items()}
    module = imported(graph)
    kernels = [name.partition("_")[0] for name in calls(module) if "relax" not in name]
    assert kernels == ["cache", "attention", "attention"]
    assert {"kv:7.k", "kv:7.v"} <= {variable.name for variable in module["main"].params}


def test_many_rows_need_no_merge():
    def attend(q, k, v):
        return (torch.ops.tytvm.attention(q, k, v, 0, 0.5, 0, 0.0),)

    q, kv = torch.zeros(1, 4, 40, 16), torch.zeros(1, 2, 40, 16)
    graph = graph_of(Calculation(attend), kv_capacity=64, q=q, k=kv, v=kv)
    found = [name for name in calls(imported(graph)) if "relax" not in name]
    assert found == ["cache_append_2_40_16", "attention_4_40_16_0"]
