"""Arithmetic that makes floats of integers: torch converts these first, TVM does not, and so the graph must say it."""

from __future__ import annotations

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call

aten = torch.ops.aten
ARITHMETIC = {
    aten.add.Tensor, aten.add.Scalar, aten.sub.Tensor, aten.sub.Scalar, aten.rsub.Scalar, aten.mul.Tensor,
    aten.mul.Scalar, aten.div.Tensor, aten.div.Scalar, aten.pow.Tensor_Scalar, aten.reciprocal.default,
    aten.log.default, aten.log2.default, aten.log1p.default, aten.exp.default, aten.sqrt.default, aten.rsqrt.default,
    aten.sin.default, aten.cos.default, aten.tanh.default, aten.sigmoid.default,
}  # fmt: skip


def convert_operands(graph: fx.Graph) -> int:
    """Convert in place the integers of which such operators make floats; in how many."""
    return sum(_convert(graph, node) for node in list(graph.nodes) if node.target in ARITHMETIC)


def _convert(graph: fx.Graph, node: fx.Node) -> bool:
    dtype = node.meta["val"].dtype
    found = [source for source in node.all_input_nodes if not source.meta["val"].is_floating_point()]
    if not dtype.is_floating_point:
        return False
    for source in found:
        with graph.inserting_before(node):
            node.replace_input_with(source, emit_call(graph, aten.to.dtype, source, dtype))
    return bool(found)
