"""Linear layers: products with known weights become linear layers, which have kernels.

Batch norm goes into the convolution before it. Convolutions are linear layers on patches (im2col: Chellapilla et al.
2006); the patches are made with channels last. Nodes that are made here of weights alone are folded afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import fx

from tyllm.graph.decompositions import DECOMPOSITIONS
from tyllm.graph.node_builder import NodeBuilder
from tyllm.graph.trace import TracedGraph
from tytvm.rewrites.constants import known_values, replace_known
from tytvm.rewrites.im2col import (
    CONVOLUTIONS,
    convolution_of,
    linear_on_patches,
    overlapping_patches,
    side_by_side_patches,
)
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten
MOST_TAPS = 64
"""Elements of a convolution's kernel; one of more is left as it is."""
LARGEST = 65504.0
"""Of float16, in which linear layers keep their weights."""


def rewrite_as_linear_layers(traced: TracedGraph) -> None:
    """Rewrite the graph in place; afterwards each linear layer's weight is a weight of its own."""
    _fold(traced)
    for rule in (*DECOMPOSITIONS, _batch_norm, _convolution, _product):
        _apply(traced, rule)
    _fold(traced)
    _apply(traced, _linear)
    _fold(traced)
    _separate(traced)


def _fold(traced: TracedGraph) -> None:
    """Compute what follows from weights alone; it becomes a weight itself, whose name tells what it was made of."""
    graph = traced.graph_module.graph
    traced.weights.update(replace_known(graph, known_values(graph, traced.weights)))
    traced.refresh()


def _apply(traced: TracedGraph, rule: Callable[[NodeBuilder, fx.Node], fx.Node | None]) -> None:
    """Put what a rule makes of a node in the place of the node, wherever it makes something."""
    graph = traced.graph_module.graph
    for node in list(graph.nodes):
        if node.op == "call_function":
            with graph.inserting_before(node):
                made = rule(NodeBuilder(traced), node)
            if made is not None:
                node.replace_all_uses_with(made)
    traced.refresh()


def _batch_norm(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """In evaluation it is a factor and a summand for each channel; a convolution before it takes both in."""
    norm = node.args[0] if node.target.__name__ == "getitem" and node.args[1] == 0 else None
    if not isinstance(norm, fx.Node) or norm.target is not aten._native_batch_norm_legit_no_training.default:
        return None
    x, weight, bias, mean, variance, _, eps = norm.args
    factor = builder.call(aten.rsqrt.default, builder.call(aten.add.Scalar, variance, eps))
    if weight is not None:
        factor = builder.call(aten.mul.Tensor, factor, weight)
    summand = builder.call(aten.neg.default, builder.call(aten.mul.Tensor, mean, factor))
    if bias is not None:
        summand = builder.call(aten.add.Tensor, summand, bias)
    if x.target in CONVOLUTIONS and len(x.users) == 1:
        source, kernel, own, *rest = complete(x.target, x.args, x.kwargs)
        if own is not None:
            summand = builder.call(aten.add.Tensor, summand, builder.call(aten.mul.Tensor, own, factor))
        along = builder.call(aten.view.default, factor, [-1] + [1] * (kernel.meta["val"].ndim - 1))
        return builder.call(x.target, source, builder.call(aten.mul.Tensor, kernel, along), summand, *rest)
    shape = [1, -1] + [1] * (x.meta["val"].ndim - 2)
    scaled = builder.call(aten.mul.Tensor, x, builder.call(aten.view.default, factor, shape))
    return builder.call(aten.add.Tensor, scaled, builder.call(aten.view.default, summand, shape))


def _convolution(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A float32 convolution with a known kernel as a linear layer on patches."""
    convolution = convolution_of(node)
    if convolution is None or not builder.is_constant(convolution.weight):
        return None
    if convolution.x.meta["val"].dtype != torch.float32:
        return None
    kernel, outputs, axes = convolution.weight, convolution.shape[1], len(convolution.taps)
    if convolution.is_side_by_side:
        patches = side_by_side_patches(builder.graph, convolution)
    elif math.prod(convolution.taps) <= MOST_TAPS:
        patches = overlapping_patches(builder.graph, convolution)
        kernel = builder.call(aten.permute.default, kernel, [0, *range(2, axes + 2), 1])
    else:
        return None
    return linear_on_patches(
        builder.graph, convolution, patches, builder.call(aten.reshape.default, kernel, [outputs, -1])
    )


def _product(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A product with a known matrix as a linear layer."""
    bias = None
    if node.target in (aten.mm.default, aten.matmul.default):
        x, matrix = node.args
    elif node.target is aten.addmm.default and not node.kwargs:
        bias, x, matrix = node.args
    else:
        return None
    of = x.meta["val"]
    if matrix.meta["val"].ndim != 2 or of.ndim < 2 or of.dtype != torch.float32 or not builder.is_constant(matrix):
        return None
    if bias is not None and bias.meta["val"].shape != matrix.meta["val"].shape[1:]:
        return None
    return builder.call(aten.linear.default, x, builder.call(aten.permute.default, matrix, [1, 0]), bias)


def _linear(builder: NodeBuilder, node: fx.Node) -> fx.Node | None:
    """A linear layer whose matrix is computed, or beyond float16, as a plain product."""
    if node.target is not aten.linear.default:
        return None
    x, weight, bias = complete(node.target, node.args, node.kwargs)
    if builder.is_constant(weight) and _fits(builder.traced, weight):
        node.args, node.kwargs = (x, weight, bias), {}
        return None
    out = builder.call(aten.matmul.default, x, builder.call(aten.permute.default, weight, [1, 0]))
    return out if bias is None else builder.call(aten.add.Tensor, out, bias)


def _fits(traced: TracedGraph, weight: fx.Node) -> bool:
    """Whether a weight's values are finite as float16; a view of one is folded later, its values are not there yet."""
    value = traced.weights.get(weight.name)
    return value is not None and value.dtype == torch.float32 and bool((value.abs() <= LARGEST).all())


def _separate(traced: TracedGraph) -> None:
    """Weights are stored as their consumers need them: one that is read in several ways becomes several."""
    graph = traced.graph_module.graph
    for node in graph.find_nodes(op="placeholder"):
        if node.name not in traced.weights:
            continue
        uses: dict[str, list[fx.Node]] = {}
        for user in node.users:
            uses.setdefault(use_of(node, user), []).append(user)
        for use, users in list(uses.items())[1:]:
            with graph.inserting_after(node):
                copied = graph.placeholder(f"{node.name}_{use}")
            copied.meta["val"], traced.weights[copied.name] = node.meta["val"], traced.weights[node.name]
            for user in users:
                user.replace_input_with(node, copied)


def use_of(weight: fx.Node, user: fx.Node) -> str:
    """How an operator reads a weight: as a "linear" layer's, an embedding's "table", or "plain"."""
    if user.target is aten.linear.default and user.args[1] is weight and weight not in (user.args[0], *user.args[2:]):
        return "linear"
    if user.target is aten.embedding.default and user.args[0] is weight:
        return "table"
    return "plain"
