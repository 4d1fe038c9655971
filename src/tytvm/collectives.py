"""Where a die holds some inputs of a weight (or rows of a table), its result is a partial sum over dies."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import fx

from tytvm.capture import Capture

ALL_REDUCE = "tytvm.all_reduce"
"""Name of the collective in the program, where it stands among the kernels."""


def insert_all_reduces(capture: Capture, input_sharded: Collection[str], row_sharded: Collection[str]) -> int:
    """Put an all_reduce after each linear of a weight in `input_sharded`, each embedding of a table in `row_sharded`.

    A tied table is in `row_sharded`: its embedding is a partial sum, its linear is not. A bias is added once, to the
    sum.

    Returns:
        How many were inserted.
    """
    import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)

    graph = capture.graph_module.graph
    names = {node: capture.parameters.get(node.name) for node in graph.nodes if node.op == "placeholder"}
    count = 0
    for node in list(graph.nodes):
        if node.target is torch.ops.aten.linear.default and names.get(node.args[1]) in input_sharded:
            _reduce(graph, node, node.args[2] if len(node.args) > 2 else None)
            count += 1
        elif node.target is torch.ops.aten.embedding.default and names.get(node.args[0]) in row_sharded:
            _reduce(graph, node, None)
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
