"""Im2col: a convolution as a linear layer on patches of its input (Chellapilla et al. 2006).

Letters in shapes: B images, C channels, T elements (taps) of the kernel, N output channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten
CONVOLUTIONS = {aten.conv1d.default: 1, aten.conv2d.default: 2, aten.conv3d.default: 3}
"""Operator → axes that the kernel moves along."""


@dataclass(frozen=True)
class Convolution:
    """A convolution's operands and settings.

    Attributes:
        x: the input, [B, C, …sizes].
        weight: the kernel, [N, C, …taps].
        bias: [N], where there is one.
        taps: the kernel's size along each axis that it moves along; likewise the stride, padding and dilation.
        shape: of the result, [B, N, …counts].
    """

    x: fx.Node
    weight: fx.Node
    bias: fx.Node | None
    taps: list[int]
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    shape: list[int]

    @property
    def counts(self) -> list[int]:
        """Number of patches along each axis."""
        return self.shape[2:]

    @property
    def is_side_by_side(self) -> bool:
        """Whether the patches neither overlap nor leave gaps: the steps are as long as the kernel."""
        return self.stride == self.taps and not any(self.padding) and set(self.dilation) == {1}


def convolution_of(node: fx.Node) -> Convolution | None:
    """The convolution of a batch that a node computes; None for one of groups, and for any other operator."""
    if node.target not in CONVOLUTIONS:
        return None
    axes = CONVOLUTIONS[node.target]
    x, weight, bias, stride, padding, dilation, groups = complete(node.target, node.args, node.kwargs)
    if groups != 1 or x.meta["val"].ndim != axes + 2:
        return None
    taps = list(weight.meta["val"].shape[2:])
    stride, padding, dilation = ([int(n) for n in each] * (axes // len(each)) for each in (stride, padding, dilation))
    return Convolution(x, weight, bias, taps, stride, padding, dilation, list(node.meta["val"].shape))


def side_by_side_patches(graph: fx.Graph, convolution: Convolution) -> fx.Node:
    """Patches [B, …counts, C · T] that share no element, or [B, C · T] where there is one an image.

    What is left over at the input's ends belongs to none.
    """
    x, taps, counts = convolution.x, convolution.taps, convolution.counts
    batch, channels, *sizes = x.meta["val"].shape
    for axis, (size, length, count) in enumerate(zip(sizes, taps, counts, strict=True)):
        if size != length * count:
            x = emit_call(graph, aten.slice.Tensor, x, axis + 2, 0, length * count)
    if set(counts) == {1}:
        return emit_call(graph, aten.reshape.default, x, [batch, -1])
    axes, pairs = len(taps), [n for pair in zip(counts, taps, strict=True) for n in pair]
    x = emit_call(graph, aten.reshape.default, x, [batch, channels, *pairs])
    order = [0, *range(2, 2 * axes + 2, 2), 1, *range(3, 2 * axes + 2, 2)]
    x = emit_call(graph, aten.permute.default, x, order)
    return emit_call(graph, aten.reshape.default, x, [batch, *counts, channels * math.prod(taps)])


def overlapping_patches(graph: fx.Graph, convolution: Convolution) -> fx.Node:
    """Patches [B, …counts, T · C]: a strided view of the padded input for each tap, one after the other."""
    x, axes = convolution.x, len(convolution.taps)
    if any(convolution.padding):
        sides = [side for pad in reversed(convolution.padding) for side in (pad, pad)]
        x = emit_call(graph, aten.constant_pad_nd.default, x, sides, 0.0)
    last = emit_call(graph, aten.permute.default, x, [0, *range(2, axes + 2), 1])
    views = [_view_of_tap(graph, last, convolution, tap) for tap in product(*map(range, convolution.taps))]
    return emit_call(graph, aten.cat.default, views, -1) if len(views) > 1 else views[0]


def _view_of_tap(graph: fx.Graph, x: fx.Node, convolution: Convolution, tap: Sequence[int]) -> fx.Node:
    """The elements [B, …counts, C] of x [B, …sizes, C] that one tap of the kernel meets."""
    for axis, (number, count) in enumerate(zip(tap, convolution.counts, strict=True)):
        start, step = number * convolution.dilation[axis], convolution.stride[axis]
        stop = start + (count - 1) * step + 1
        if (start, stop, step) != (0, x.meta["val"].shape[axis + 1], 1):
            x = emit_call(graph, aten.slice.Tensor, x, axis + 1, start, stop, step)
    return x


def linear_on_patches(graph: fx.Graph, convolution: Convolution, patches: fx.Node, matrix: fx.Node) -> fx.Node:
    """The convolution's result [B, N, …counts], from its patches and its kernel as a matrix [N, C · T]."""
    out = emit_call(graph, aten.linear.default, patches, matrix, convolution.bias)
    if patches.meta["val"].ndim == 2:
        return emit_call(graph, aten.reshape.default, out, convolution.shape)
    axes = len(convolution.taps)
    return emit_call(graph, aten.permute.default, out, [0, axes + 1, *range(1, axes + 1)])
