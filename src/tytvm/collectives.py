"""Where a die holds some inputs of a weight (or rows of a table), its result is a partial sum over dies."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import fx

from tytvm.capture import Capture

ALL_REDUCE = "tytvm.all_reduce"
"""Name of the collective in the program, where it stands among the kernels."""


def insert_all_reduces(capture: Capture, input_sharded: Collection[str], row_sharded: Collection[str]) -> int:
    """Put an all_reduce after each product with a weight in `input_sharded`, each embedding of one in `row_sharded`.

    A mixture of experts is a product with the weights that it multiplies by last.
    A tied table is in `row_sharded`: its embedding is a partial sum, its linear is not. A bias is added once, to the
    sum.

    Returns:
        How many were inserted.
    """
    import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)

    graph = capture.graph_module.graph
    names = {node: capture.parameters.get(node.name) for node in graph.nodes if node.op == "placeholder"}
    weights = {  # operator → which argument is the weight that it sums over, and those of which a die has a part
        torch.ops.aten.linear.default: (1, input_sharded),
        torch.ops.tytvm.experts.default: (4, input_sharded),
        torch.ops.aten.embedding.default: (0, row_sharded),
    }
    count = 0
    for node in list(graph.nodes):
        weight, sharded = weights.get(node.target, (None, ()))
        if weight is not None and names.get(node.args[weight]) in sharded:
            is_biased = node.target is torch.ops.aten.linear.default and len(node.args) > 2
            _reduce(graph, node, node.args[2] if is_biased else None)
            count += 1
    capture.graph_module.recompile()
    return count


def _reduce(graph: fx.Graph, node: fx.Node, bias: fx.Node | None) -> None:
    with graph.inserting_after(node):
        total = graph.call_function(torch.ops.tytvm.all_reduce.default, (node,))
    total.meta["val"] = node.meta["val"]
    result = total
    if bias is not None:
        node.args = node.args[:2]
        with graph.inserting_after(total):
            result = graph.call_function(torch.ops.aten.add.Tensor, (total, bias))
        result.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(result, delete_user_cb=lambda user: user not in (total, result))
