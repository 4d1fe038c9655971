"""Activations, written as their consumers request them; in one kernel with their linear layer, if they have one."""

from __future__ import annotations

import math

import torch

from tytvm.converters.consumers import requested_encoding, requested_row_encoding
from tytvm.converters.fusible_linear import bias_of, format_of, fusible_linear, inputs_of
from tytvm.emitter import Emitter, Value
from tytvm.kernel_choice import Choice
from tytvm.kernels.operands.encoding import Encoding
from tytvm.kernels.operators import ActivatedLinear, Activation
from tytvm.weights import W16


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(x [..., width]) → [..., width]."""
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    encoding, kind = requested_encoding(emitter, node), kind_of(node)
    fused = _fused_with_linear(emitter, node, kind, rows[0], encoding)
    if fused is None:
        encoding = requested_row_encoding(emitter, node)
        x = emitter.reshape(emitter.env[node.args[0]], rows)
        fused = emitter.kernels.choose(Activation(*rows, kind, encoding)), [x]
    (result,) = emitter.call_encoded(*fused, [], encoding, rows)
    return emitter.reshape(result, shape)


def kind_of(node: torch.fx.Node) -> str:
    """The name of the kernel's activation that the node computes."""
    if node.target is torch.ops.aten.gelu.default:
        return "gelu_tanh" if node.kwargs.get("approximate", "none") == "tanh" else "gelu"
    return "silu" if node.target is torch.ops.aten.silu.default else "quick_gelu"


def _fused_with_linear(
    emitter: Emitter, node: torch.fx.Node, kind: str, rows: int, encoding: Encoding
) -> tuple[Choice, list[Value]] | None:
    """The kernel of layer and activation, and its arguments."""
    layer = fusible_linear(emitter, node.args[0])
    weight = format_of(emitter, layer) if layer is not None else None
    if layer is None or not isinstance(weight, W16):
        return None
    bias = bias_of(emitter, layer)
    choice = emitter.kernels.find(ActivatedLinear(rows, weight, kind, encoding, bool(bias)))
    if choice is None:
        return None
    return choice, [*inputs_of(emitter, layer, weight, choice), *emitter.stored_tensors(layer.args[1]), *bias]
