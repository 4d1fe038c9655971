"""Linear layers, by the format of their weight; int8 activations are quantised once for all layers that read them."""

from __future__ import annotations

import math
from typing import Any

import torch

from tytvm.emitter import Emitter
from tytvm.errors import UnsupportedError
from tytvm.kernels.amx import DEPTH, SIDE
from tytvm.kernels.quantize_rows import code_shape
from tytvm.kernels.vector import ceildiv
from tytvm.weights import W4, W16, TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(x [..., in], weight [out, in], bias?) → [..., out].

    Raises:
        UnsupportedError: the weight is computed, not stored.
    """
    x_node, weight_node, *rest = node.args
    shape = tuple(node.meta["val"].shape)
    names = emitter.weight_names
    weight = emitter.graph.weights[names[weight_node]] if weight_node in names else None
    x = emitter.shaped(emitter.env[x_node], (math.prod(shape[:-1]), x_node.meta["val"].shape[-1]))
    bias = [emitter.env[rest[0]]] if rest and rest[0] is not None else []
    if isinstance(weight, W16):
        result = _linear_w16(emitter, x, weight_node, weight, bias)
    elif isinstance(weight, W4):
        result = _linear_w4(emitter, x, weight_node, weight, bias)
    else:
        raise UnsupportedError(
            f"A linear layer multiplies by {weight_node}, no weight of the checkpoint; it cannot be compiled."
        )
    return emitter.shaped(result, shape)


def _linear_w16(emitter: Emitter, x: Any, node: torch.fx.Node, weight: W16, bias: list[Any]) -> Any:
    rows = int(x.ty.shape[0])
    kernel = emitter.kernels.linear_w16a16(rows, weight, bool(bias))
    if emitter.kernels.tiled(rows, weight):
        x = _bfloat16(emitter, x)
    return emitter.call(kernel, [x, emitter.env[node], *bias], TensorSpec((rows, weight.out_features), "float32"))


def _bfloat16(emitter: Emitter, x: Any) -> Any:
    """`x` in bfloat16 tiles, once for all linears that read it."""
    rows, width = (int(n) for n in x.ty.shape)
    key = (emitter.origin(x), 0)
    if key not in emitter.quantised:
        tiles = TensorSpec((ceildiv(rows, SIDE), width // DEPTH, SIDE, DEPTH), "uint16")
        emitter.quantised[key] = [emitter.call(emitter.kernels.bfloat16_tiles(rows, width), [x], tiles)]
    return emitter.quantised[key][0]


def _linear_w4(emitter: Emitter, x: Any, node: torch.fx.Node, weight: W4, bias: list[Any]) -> Any:
    rows = int(x.ty.shape[0])
    name = emitter.graph.stored_names[emitter.weight_names[node]]
    stored = [emitter.buffers[f"params:{name}{suffix}"] for suffix in weight.tensors()]
    inputs = _quantise(emitter, x, weight) if emitter.kernels.int8_activations else [x]
    kernel = emitter.kernels.linear_w4(rows, weight, bool(bias))
    return emitter.call(kernel, [*inputs, *stored, *bias], TensorSpec((rows, weight.out_features), "float32"))


def _quantise(emitter: Emitter, x: Any, weight: W4) -> list[Any]:
    """int8 codes, scales and, where they are not in tiles, sums of `x`, once for all linears that read it."""
    rows, width = (int(n) for n in x.ty.shape)
    group, tiled = emitter.kernels.activation_group(weight), emitter.kernels.tiled(rows, weight)
    key = (emitter.origin(x), group)
    if key not in emitter.quantised:
        groups = (rows, width // group)
        codes = TensorSpec(code_shape(rows, width, tiled), "int8")
        outputs = [codes, TensorSpec(groups, "float32"), *[TensorSpec(groups, "int32")] * (not tiled)]
        kernel = emitter.kernels.quantize_rows(rows, width, group, tiled)
        emitter.quantised[key] = emitter.call(kernel, [x], *outputs)
    return emitter.quantised[key]
