"""Complex numbers become pairs of real ones, and a graph with one that is not known stays as it is."""

import torch


def count(graph_module):
    return graph_module.meta["rewrites"]["complex_numbers"]


def rotated(x, angle):
    """DeepSeek-V2's and Llama 4's rotary embedding: neighbors as one complex number, turned by an angle."""
    turn = torch.polar(torch.ones_like(angle), angle) * 1.5
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turn.unsqueeze(1)).flatten(3)


def test_rotary_pairs(rewritten):
    x, angle = torch.randn(1, 2, 3, 8), torch.randn(1, 3, 4)
    graph_module = rewritten(rotated, x, angle)
    assert count(graph_module) > 4
    assert not [node for node in graph_module.graph.nodes if "val" in node.meta and node.meta["val"].is_complex()]
    assert torch.allclose(graph_module(x, angle)[0], rotated(x, angle), atol=1e-6)


def test_what_is_not_known_stays(rewritten):
    graph_module = rewritten(lambda x, angle: (rotated(x, angle) + torch.polar(x, x).abs()), torch.randn(1, 2, 3, 8),
                             torch.randn(1, 3, 4))  # fmt: skip
    assert count(graph_module) == 0
