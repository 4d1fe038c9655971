"""Linear layers that the operator after them can do in its own kernel; the layer's own call is then dead."""

from __future__ import annotations

import math

import torch

from tytvm.converters.consumers import RESHAPES
from tytvm.emitter import Emitter, Value
from tytvm.kernel_choice import Choice
from tytvm.weights import W4, W16


def fusible_linear(emitter: Emitter, node: torch.fx.Node) -> torch.fx.Node | None:
    """The layer that a value comes from, if its weight is stored and nothing else reads it."""
    while node.target in RESHAPES and len(node.users) == 1:
        node = node.args[0]
    is_linear = node.target is torch.ops.aten.linear.default and len(node.users) == 1
    return node if is_linear and node.args[1] in emitter.weight_names else None


def format_of(emitter: Emitter, layer: torch.fx.Node) -> W4 | W16 | None:
    """How its weight is stored, where that is as a linear layer's."""
    weight = emitter.format_of(layer.args[1])
    return weight if isinstance(weight, W4 | W16) else None


def bias_of(emitter: Emitter, layer: torch.fx.Node) -> list[Value]:
    """Its bias, if it has one."""
    return [emitter.env[bias] for bias in layer.args[2:3] if bias is not None]


def inputs_of(emitter: Emitter, layer: torch.fx.Node, weight: W4 | W16, choice: Choice) -> list[Value]:
    """The tensors that stand for what it reads, in the encoding of the kernel that was chosen."""
    rows = math.prod(layer.meta["val"].shape[:-1])
    x = emitter.reshape(emitter.env[layer.args[0]], (rows, weight.in_features))
    return emitter.encode(x, choice.specialization.inputs)
