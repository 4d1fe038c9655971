"""Rows of an embedding table; a die's part of the table begins at the token in `io:first_token`."""

from __future__ import annotations

import math

import torch

from tyllm_base.errors import UnsupportedError
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operators import EmbeddingRows
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """Torch's own (table, tokens, …) or ours (tokens, first, table) → [..., H].

    Raises:
        UnsupportedError: the table is computed, not stored.
    """
    is_custom = node.target is torch.ops.tytvm.embedding.default
    tokens, table = (node.args[0], node.args[2]) if is_custom else (node.args[1], node.args[0])
    if table not in emitter.weight_names:
        raise UnsupportedError(f"An embedding reads {table}, no weight of the checkpoint; it cannot be compiled.")
    shape = tuple(node.meta["val"].shape)
    count = math.prod(shape[:-1])
    weight = emitter.graph.weights[emitter.weight_names[table]]
    choice = emitter.kernels.choose(EmbeddingRows(count, weight))
    arguments = [emitter.reshape(emitter.env[tokens], (count,)), emitter.buffers["io:first_token"], emitter.env[table]]
    return emitter.reshape(emitter.call(choice, arguments, TensorSpec((count, shape[-1]), "float32")), shape)
