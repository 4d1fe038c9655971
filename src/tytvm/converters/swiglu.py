"""SwiGLU's gate, written as its consumers request it; with the two layers that it is of, where one kernel does all."""

from __future__ import annotations

import math

import torch

from tytvm.converters.consumers import requested_encoding, requested_row_encoding
from tytvm.converters.fusible_linear import bias_of, format_of, fusible_linear, inputs_of
from tytvm.emitter import Emitter, Value
from tytvm.kernel_choice import Choice
from tytvm.kernels.operands.encoding import Encoding
from tytvm.kernels.operators import GatedLinear, SwiGlu


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(gate, up), both [..., width] → [..., width]."""
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    encoding = requested_encoding(emitter, node)
    fused = _fused_with_linear(emitter, node, rows[0], encoding)
    if fused is None:
        encoding = requested_row_encoding(emitter, node)
        gate, up = (emitter.reshape(emitter.env[argument], rows) for argument in node.args)
        fused = emitter.kernels.choose(SwiGlu(*rows, encoding)), [gate, up]
    (result,) = emitter.call_encoded(*fused, [], encoding, rows)
    return emitter.reshape(result, shape)


def _fused_with_linear(
    emitter: Emitter, node: torch.fx.Node, rows: int, encoding: Encoding
) -> tuple[Choice, list[Value]] | None:
    """The kernel that multiplies by both weights and gates, and its arguments."""
    gate, up = (fusible_linear(emitter, argument) for argument in node.args)
    if gate is None or up is None or gate.args[0] is not up.args[0]:
        return None
    weight, biases = format_of(emitter, gate), [bias_of(emitter, layer) for layer in (gate, up)]
    if weight is None or weight != format_of(emitter, up) or len(biases[0]) != len(biases[1]):
        return None
    choice = emitter.kernels.find(GatedLinear(rows, weight, encoding, bool(biases[0])))
    if choice is None:
        return None
    parts = [emitter.stored_tensors(layer.args[1]) + bias for layer, bias in zip((gate, up), biases, strict=True)]
    return choice, [*inputs_of(emitter, gate, weight, choice), *parts[0], *parts[1]]
