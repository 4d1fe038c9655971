"""SwiGLU's gate, written as its readers want it; with the two layers that it is of, where one kernel does all."""

from __future__ import annotations

import math
from typing import Any

import torch

from tytvm.converters.readers import RESHAPES, wanted
from tytvm.emitter import Emitter
from tytvm.kernels.encoding import Encoding
from tytvm.weights import W4


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(gate, up), both [..., width] → [..., width]."""
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    encoding = wanted(emitter, node)
    joined = _with_layers(emitter, node, rows, encoding)
    if joined is None:
        gate, up = (emitter.shaped(emitter.env[argument], rows) for argument in node.args)
        joined = emitter.kernels.swiglu(*rows, encoding), [gate, up]
    (result,) = emitter.call_encoded(*joined, [], encoding, rows)
    return emitter.shaped(result, shape)


def _with_layers(
    emitter: Emitter, node: torch.fx.Node, rows: tuple[int, int], encoding: Encoding
) -> tuple[Any, list[Any]] | None:
    """The kernel that multiplies by both weights and gates, and its arguments; the layers' own calls are then dead."""
    layers = [_layer(emitter, argument) for argument in node.args]
    if None in layers or layers[0].args[0] is not layers[1].args[0]:
        return None
    gate, up = (emitter.format_of(layer.args[1]) for layer in layers)
    if not isinstance(gate, W4) or gate != up:
        return None
    kernel = emitter.kernels.gated(rows[0], gate, encoding)
    if kernel is None:
        return None
    x = emitter.shaped(emitter.env[layers[0].args[0]], (rows[0], gate.in_features))
    inputs = emitter.encoded(x, emitter.kernels.encoding(rows[0], gate))
    return kernel, [*inputs, *(tensor for layer in layers for tensor in emitter.stored(layer.args[1]))]


def _layer(emitter: Emitter, node: torch.fx.Node) -> Any:
    """The layer without bias that a value comes from, if nothing else reads it."""
    while node.target in RESHAPES and len(node.users) == 1:
        node = node.args[0]
    is_linear = node.target is torch.ops.aten.linear.default and node.args[2:] in ((), (None,))
    return node if is_linear and len(node.users) == 1 and node.args[1] in emitter.weight_names else None
