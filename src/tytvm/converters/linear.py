"""Linear layers, by the format of their weight."""

from __future__ import annotations

import math

import torch

from tyllm_base.errors import UnsupportedError
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operators import Linear
from tytvm.weights import W4, W16, TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(x [..., in], weight [out, in], bias?) → [..., out].

    Raises:
        UnsupportedError: the weight is computed, not stored.
    """
    x_node, weight_node, *rest = node.args
    weight = emitter.format_of(weight_node) if weight_node in emitter.weight_names else None
    if not isinstance(weight, W16 | W4):
        raise UnsupportedError(
            f"A linear layer multiplies by {weight_node}, no weight of the checkpoint; it cannot be compiled."
        )
    shape = tuple(node.meta["val"].shape)
    rows = math.prod(shape[:-1])
    x = emitter.reshape(emitter.env[x_node], (rows, weight.in_features))
    bias = [emitter.env[rest[0]]] if rest and rest[0] is not None else []
    choice = emitter.kernels.choose(Linear(rows, weight, bool(bias)))
    arguments = [*emitter.encode(x, choice.specialization.inputs), *emitter.stored_tensors(weight_node), *bias]
    return emitter.reshape(emitter.call(choice, arguments, TensorSpec((rows, shape[-1]), "float32")), shape)
