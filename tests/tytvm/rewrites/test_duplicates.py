"""Equal nodes become one; random ones and those that differ in the type of a number do not."""

import torch

from tytvm.rewrites import apply


def two_layers(x, positions):
    """Each layer makes the same table of angles."""
    for _ in range(2):
        angle = positions.unsqueeze(-1) * 0.5
        x = x * angle.cos() + x * angle.sin()
    return x


def test_duplicates(golden):
    graph_module = golden(two_layers, torch.randn(1, 3, 4), torch.arange(3.0).view(1, 3))
    assert graph_module.meta["rewrites"]["duplicates"] == 4


def test_numbers_of_two_types_differ(rewritten):
    graph_module = rewritten(lambda x: (x * 2, x * 2.0, x + 2, x + 2.5), torch.arange(3))
    assert graph_module.meta["rewrites"]["duplicates"] == 0


def test_parts_of_equal_lists_are_equal(rewritten):
    graph = rewritten(lambda x: x.chunk(2, -1)[0] + x.chunk(2, -1)[0], torch.randn(1, 4)).graph
    assert sum(node.op == "call_function" for node in graph.nodes) == 3  # chunk, its first part, the sum


class Noise(torch.nn.Module):
    """The difference of two draws."""

    def forward(self, x):
        return torch.rand_like(x) - torch.rand_like(x)


def test_random_numbers_are_not_drawn_once_for_two():
    graph_module = apply(torch.export.export(Noise(), (torch.zeros(100),)).graph_module)
    assert graph_module.meta["rewrites"]["duplicates"] == 0
    assert graph_module(torch.zeros(100))[0].abs().max() > 0
