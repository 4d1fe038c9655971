"""Torch's attention becomes attention of one packed sequence where it has no mask; all else is TVM's."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention as attend

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)


def sample(heads=4, kv_heads=4):
    return torch.randn(2, heads, 5, 8), torch.randn(2, kv_heads, 5, 8), torch.randn(2, kv_heads, 5, 6)


def count(graph_module):
    return graph_module.meta["rewrites"]["scaled_dot_product"]


def called(graph_module):
    return [node.target.__name__ for node in graph_module.graph.nodes if node.op == "call_function"]


def test_plain(rewritten):
    graph_module = rewritten(lambda q, k, v: attend(q, k, v), *sample())
    assert called(graph_module) == ["segment_attention.default", "transpose.int"]


def test_what_turns_it_back_goes(rewritten):
    graph_module = rewritten(lambda q, k, v: attend(q, k, v, scale=0.3).transpose(1, 2).reshape(2, 5, -1), *sample())
    assert called(graph_module) == ["segment_attention.default", "reshape.default"]


def test_groups(rewritten):
    assert count(rewritten(lambda q, k, v: attend(q, k, v, enable_gqa=True), *sample(4, 2))) == 1


@pytest.mark.parametrize(
    "formula",
    [
        lambda q, k, v: attend(q, k, v, is_causal=True),
        lambda q, k, v: attend(q, k, v, attn_mask=torch.zeros(5, 5)),
        lambda q, k, v: attend(q[:, :, :3], k, v),
        lambda q, k, v: attend(q[:, 0], k[:, 0], v[:, 0]),
    ],
)
def test_others_stay(rewritten, formula):
    assert count(rewritten(formula, *sample())) == 0
