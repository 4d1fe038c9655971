"""Norms without weight or bias are given ones and zeros, so that they have a kernel of ours as all others have."""

from __future__ import annotations

import torch
from torch import fx

from tytvm.capture import Capture
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten
FILLS = {aten.layer_norm.default: (torch.ones, torch.zeros), aten.rms_norm.default: (torch.ones,)}
"""Norm → what makes the values of its arguments from the third on, where they are missing."""


def fill(capture: Capture) -> int:
    """Fill in what is missing, in place; how many norms there were."""
    graph, made = capture.graph_module.graph, 0
    for node in list(graph.nodes):
        if node.target in FILLS:
            made += _fill(capture, node)
    capture.graph_module.recompile()
    return made


def _fill(capture: Capture, node: fx.Node) -> bool:
    x, shape, *given = complete(node.target, node.args, node.kwargs)
    fills = FILLS[node.target]
    if None not in given[: len(fills)]:
        return False
    for place, fill in enumerate(fills):
        if given[place] is None:
            given[place] = _constant(capture, fill(shape, dtype=x.meta["val"].dtype))
    node.args, node.kwargs = (x, shape, *given), {}
    return True


def _constant(capture: Capture, value: torch.Tensor) -> fx.Node:
    """A placeholder of a value; those of one shape share it."""
    graph = capture.graph_module.graph
    name = f"norm_{'ones' if value.any() else 'zeros'}_{'x'.join(map(str, value.shape))}"
    found = next((node for node in graph.find_nodes(op="placeholder") if node.name == name), None)
    if found is None:
        with graph.inserting_before(next(node for node in graph.nodes if node.op != "placeholder")):
            found = graph.placeholder(name)
        found.meta["val"] = value.to("meta")
        capture.constants[name] = value
    return found
