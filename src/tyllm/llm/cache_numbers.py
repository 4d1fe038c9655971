"""Every attention of a step has a cache of its own: where two have one layer's number, all are counted anew.

DiffLlama's layers attend twice, and models that run a layer again (HRM) attend there once more. Of the tokens before,
an attention sees what it was itself given in earlier steps, and that is what a cache of its own holds.
"""

from __future__ import annotations

import torch

from tytvm.capture import Capture


def count_caches(capture: Capture) -> None:
    """Give the attentions of a captured step, in place, their own numbers in order, if two have the same."""
    target = torch.ops.tytvm.attention.default
    found = capture.graph_module.graph.find_nodes(op="call_function", target=target)
    if len({node.args[3] for node in found}) < len(found):
        for number, node in enumerate(found):
            node.args = (*node.args[:3], number, *node.args[4:])
