"""A product with a transposed weight is a linear layer, which has kernels: `x @ weight.T` in a model's own code."""

from __future__ import annotations

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call

aten = torch.ops.aten
PRODUCTS = {aten.matmul.default, aten.mm.default}


def as_linear(graph: fx.Graph) -> int:
    """Replace such products in place; how many there were."""
    made = sum(_replace(graph, node) for node in list(graph.nodes) if node.target in PRODUCTS)
    graph.eliminate_dead_code()
    return made


def _replace(graph: fx.Graph, node: fx.Node) -> bool:
    x, factor = node.args
    if not _is_transpose(factor) or factor.args[0].op != "placeholder" or x.meta["val"].ndim < 2:
        return False
    with graph.inserting_before(node):
        node.replace_all_uses_with(emit_call(graph, aten.linear.default, x, factor.args[0]))
    graph.erase_node(node)
    return True


def _is_transpose(node: fx.Node) -> bool:
    """Whether a node exchanges the two axes of a matrix."""
    if node.op != "call_function" or node.meta["val"].ndim != 2:
        return False
    axes = [axis % 2 for axis in node.args[1:]] if node.target is aten.transpose.int else []
    permuted = [axis % 2 for axis in node.args[1]] if node.target is aten.permute.default else []
    return node.target in {aten.t.default, aten.numpy_T.default} or sorted(axes) == [0, 1] or permuted == [1, 0]
