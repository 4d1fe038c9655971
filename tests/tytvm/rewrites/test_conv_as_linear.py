"""Convolutions of patches side by side become linear layers of the same values; all others stay."""

import pytest
import torch

CASES = {
    "patches cut before": (torch.nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4), bias=False), (5, 3, 2, 4, 4)),
    "patches cut before, with bias": (torch.nn.Conv2d(3, 8, 4, 4), (5, 3, 4, 4)),
    "an image": (torch.nn.Conv2d(3, 8, 4, 4), (2, 3, 12, 8)),
    "an image with a rest": (torch.nn.Conv2d(3, 8, (4, 2), (4, 2)), (2, 3, 14, 7)),
    "a video": (torch.nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4)), (1, 3, 6, 8, 12)),
    "a line": (torch.nn.Conv1d(3, 8, 4, 4), (1, 3, 12)),
    "points": (torch.nn.Conv2d(3, 8, 1), (1, 3, 5, 4)),
}


def targets(graph_module):
    return [str(node.target) for node in graph_module.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("case", CASES)
def test_same_values(rewritten, case):
    convolution, shape = CASES[case]
    graph_module = rewritten(convolution, torch.randn(shape))
    assert graph_module.meta["rewrites"]["conv_as_linear"] == 1
    assert "aten.linear.default" in targets(graph_module) and not any("conv" in name for name in targets(graph_module))


def test_patches_cut_before_are_only_seen_otherwise(rewritten):
    convolution, shape = CASES["patches cut before"]
    graph_module = rewritten(convolution, torch.randn(shape))
    assert set(targets(graph_module)) == {"aten.reshape.default", "aten.linear.default"}


@pytest.mark.parametrize(
    "convolution",
    [
        torch.nn.Conv2d(4, 8, 3),
        torch.nn.Conv2d(4, 8, 4, 4, padding=1),
        torch.nn.Conv2d(4, 8, 2, 2, groups=2),
        torch.nn.Conv2d(4, 8, 2, 2, dilation=2),
    ],
)
def test_others_stay(rewritten, convolution):
    assert rewritten(convolution, torch.randn(1, 4, 12, 12)).meta["rewrites"]["conv_as_linear"] == 0


def test_a_computed_kernel_stays(rewritten):
    def convolve(x, kernel):
        return torch.nn.functional.conv2d(x, kernel.exp(), stride=4)

    graph_module = rewritten(convolve, torch.randn(1, 3, 8, 8), torch.randn(8, 3, 4, 4))
    assert graph_module.meta["rewrites"]["conv_as_linear"] == 0
