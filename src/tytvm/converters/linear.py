"""Linear layers, by the format of their weight."""

from __future__ import annotations

import math
from typing import Any

import torch

from tyllm_errors import UnsupportedError
from tytvm.emitter import Emitter
from tytvm.kernels.operators import Linear
from tytvm.weights import W4, W16, TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
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
    x = emitter.shaped(emitter.env[x_node], (rows, weight.in_features))
    bias = [emitter.env[rest[0]]] if rest and rest[0] is not None else []
    choice = emitter.kernels.choose(Linear(rows, weight, bool(bias)))
    arguments = [*emitter.encoded(x, choice.specialization.inputs), *emitter.stored(weight_node), *bias]
    return emitter.shaped(emitter.call(choice, arguments, TensorSpec((rows, shape[-1]), "float32")), shape)
