"""A convolution on patches gives what torch's convolution gives, whatever its steps, padding and dilation."""

import pytest
import torch
from torch import fx

from tytvm.rewrites.im2col import convolution_of, linear_on_patches, overlapping_patches, side_by_side_patches

aten = torch.ops.aten
SIDE_BY_SIDE = {
    "an image": (torch.nn.Conv2d(3, 8, 4, 4), (2, 3, 12, 8)),
    "a rest at the ends": (torch.nn.Conv2d(3, 8, (4, 2), (4, 2)), (2, 3, 14, 7)),
    "one patch an image": (torch.nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4), bias=False), (5, 3, 2, 4, 4)),
}
OVERLAPPING = {
    "steps of one": (torch.nn.Conv2d(3, 8, 3), (2, 3, 7, 6)),
    "padding": (torch.nn.Conv2d(3, 8, (4, 3), 2, padding=(2, 1)), (2, 3, 6, 10)),
    "dilation": (torch.nn.Conv1d(3, 8, 3, dilation=2), (2, 3, 12)),
    "dilation, with steps as long as the kernel": (torch.nn.Conv2d(3, 8, 2, 2, dilation=2), (1, 3, 9, 8)),
    "points": (torch.nn.Conv2d(3, 8, 1), (1, 3, 5, 4)),
}


def traced(module, x):
    """The module's graph as it is captured, with its one convolution."""
    program = torch.export.export(module, (x,), strict=False)
    node = next(node for node in program.graph.nodes if "conv" in str(node.target))
    return program, node


def on_patches(module, x, patches_of, order):
    """The value of the convolution, from patches and the kernel as a matrix with its axes in `order`."""
    program, node = traced(module, x)
    convolution = convolution_of(node)
    graph = program.graph
    with graph.inserting_before(node):
        patches = patches_of(graph, convolution)
        kernel = graph.call_function(aten.permute.default, (convolution.weight, order(module.weight.ndim)))
        kernel.meta["val"] = convolution.weight.meta["val"].permute(order(module.weight.ndim))
        matrix = graph.call_function(aten.reshape.default, (kernel, [module.out_channels, -1]))
        matrix.meta["val"] = kernel.meta["val"].reshape(module.out_channels, -1)
        node.replace_all_uses_with(linear_on_patches(graph, convolution, patches, matrix))
    graph.erase_node(node)
    values = [*(value for _, value in module.named_parameters()), x]
    with torch.no_grad():
        return fx.GraphModule(torch.nn.Module(), graph)(*values)[0], patches.meta["val"].shape


@pytest.mark.parametrize("case", SIDE_BY_SIDE)
def test_side_by_side(case):
    module, shape = SIDE_BY_SIDE[case]
    x = torch.randn(shape)
    found, patches = on_patches(module, x, side_by_side_patches, lambda axes: list(range(axes)))
    torch.testing.assert_close(found, module(x).detach(), rtol=1e-4, atol=1e-5)
    assert patches[-1] == module.weight[0].numel()


@pytest.mark.parametrize("case", OVERLAPPING)
def test_overlapping(case):
    module, shape = OVERLAPPING[case]
    x = torch.randn(shape)
    found, patches = on_patches(module, x, overlapping_patches, lambda axes: [0, *range(2, axes), 1])
    torch.testing.assert_close(found, module(x).detach(), rtol=1e-4, atol=1e-5)
    assert patches[-1] == module.weight[0].numel()


@pytest.mark.parametrize("case", [*SIDE_BY_SIDE, *OVERLAPPING])
def test_which_are_side_by_side(case):
    module, shape = (SIDE_BY_SIDE | OVERLAPPING)[case]
    _, node = traced(module, torch.randn(shape))
    assert convolution_of(node).is_side_by_side == (case in SIDE_BY_SIDE or case == "points")


def test_others_are_none():
    _, groups = traced(torch.nn.Conv2d(4, 8, 2, 2, groups=2), torch.randn(1, 4, 4, 4))
    _, unbatched = traced(torch.nn.Conv2d(4, 8, 2), torch.randn(4, 4, 4))
    assert convolution_of(groups) is None and convolution_of(unbatched) is None
