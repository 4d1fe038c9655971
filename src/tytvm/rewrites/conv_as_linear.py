"""A convolution whose steps are as long as its kernel is a linear layer on patches that lie side by side.

So vision models embed their patches: of a whole image, or of patches that were cut before, one to a batch's row.
"""

from __future__ import annotations

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call
from tytvm.rewrites.im2col import convolution_of, linear_on_patches, side_by_side_patches

aten = torch.ops.aten


def replace_convolutions(graph: fx.Graph) -> int:
    """Replace such convolutions in place, where their weight is a parameter; how many there were."""
    return sum(_replace(graph, node) for node in list(graph.nodes))


def _replace(graph: fx.Graph, node: fx.Node) -> bool:
    convolution = convolution_of(node)
    if convolution is None or not convolution.is_side_by_side or convolution.weight.op != "placeholder":
        return False
    # The weight's new shape comes first of all: whoever makes x asks how its consumer's weight is stored.
    with graph.inserting_before(next(each for each in graph.nodes if each.op != "placeholder")):
        matrix = emit_call(graph, aten.reshape.default, convolution.weight, [convolution.shape[1], -1])
    with graph.inserting_before(node):
        out = linear_on_patches(graph, convolution, side_by_side_patches(graph, convolution), matrix)
    node.replace_all_uses_with(out)
    graph.erase_node(node)
    return True
