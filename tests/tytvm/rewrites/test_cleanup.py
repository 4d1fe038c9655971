"""Nodes that change nothing go, nodes that look alike but change something stay."""

import pytest
import torch
import torch.nn.functional as F


def clutter(x, positions):
    """One of each thing that Hugging Face's code leaves in a graph."""
    torch.cumsum(torch.diff(positions) != 1, -1)  # the mask's code, unread
    x = F.dropout(x.to(torch.float32).clone() * 1.0, 0.5, training=False)
    x = x.transpose(1, 2).contiguous().type_as(x) + 0
    x = x.view(1, 2, 2, 3)[..., 0:3].expand(1, -1, 2, 3)
    return torch.cat((x, x[..., 3:]), -1).detach() / 1.0


def test_cleanup(golden):
    graph_module = golden(clutter, torch.randn(1, 3, 4), torch.arange(6).view(1, 6))
    assert graph_module.meta["rewrites"]["cleanup"] > 10


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: x.to(torch.float64), "to"),
        (lambda x: x * 2.0, "mul"),
        (lambda x: x + 1, "add"),
        (lambda x: 1 - x, "rsub"),
        (lambda x: x.expand(5, 2, 3), "expand"),
        (lambda x: x[:, 1:], "slice"),
        (lambda x: x[..., ::2], "slice"),
        (lambda x: x.view(2, 3), "reshape"),
        (lambda x: torch.ops.aten._unsafe_view(x, (2, 3)), "reshape"),
        (lambda x: torch.cat((x, x[..., 1:]), -1), "cat"),
        (lambda x: x.to(torch.int64) * 1.0, "mul"),
    ],
)
def test_what_changes_a_value_stays(rewritten, function, operator):
    graph = rewritten(function, torch.randn(1, 2, 3)).graph
    assert operator in [getattr(node.target, "_opname", "") for node in graph.nodes]


def test_a_result_may_be_the_input_itself(rewritten):
    graph = rewritten(lambda x: x.to(torch.float32) * 1.0, torch.randn(2, 3)).graph
    assert [node.op for node in graph.nodes] == ["placeholder", "output"]


def test_unread_placeholders_stay(rewritten):
    graph = rewritten(lambda x, y: x + 1, torch.randn(2), torch.randn(3)).graph
    assert [node.name for node in graph.nodes if node.op == "placeholder"] == ["x", "y"]
