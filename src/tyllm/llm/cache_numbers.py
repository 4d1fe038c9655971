"""Every attention of a step has a cache of its own: where two have one layer's number, all are counted anew.

DiffLlama's layers attend twice, and models that run a layer again (HRM) attend there once more. Of the tokens before,
an attention sees what it was itself given in earlier steps, and that is what a cache of its own holds.
"""

from __future__ import annotations

import torch

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tyllm_base.errors import UnsupportedError
from tytvm.capture import Capture


def count_caches(capture: Capture) -> None:
    """Give the attentions of a captured step, in place, their own numbers in order, if two have the same."""
    found = _attentions(capture)
    if len({node.args[3] for node in found}) < len(found):
        for number, node in enumerate(found):
            node.args = (*node.args[:3], number, *node.args[4:])


def check_caches(capture: Capture, layers: int, what: str) -> None:
    """Refuse a step that has not as many attentions in each layer as in the others, which is what a package says.

    Args:
        capture: of the step.
        layers: of the model.
        what: the model, for the message.

    Raises:
        UnsupportedError: with the numbers.
    """
    count = len(_attentions(capture))
    if not count or count % layers:
        raise UnsupportedError(
            f"{what} attends to a text {count} times in {layers} layers; models with layers that do not, such as those "
            "for images alone, are not supported."
        )


def _attentions(capture: Capture) -> list[torch.fx.Node]:
    target = torch.ops.tytvm.attention.default
    return list(capture.graph_module.graph.find_nodes(op="call_function", target=target))
