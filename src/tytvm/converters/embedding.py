"""Rows of an embedding table; where dies divide it, a die's part begins at the token in `io:first_token`."""

from __future__ import annotations

import math

import numpy as np
import torch
from tvm import relax

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
    whole = relax.const(np.zeros(1), "int64")  # a table of positions begins at 0 whatever tokens the die holds
    first = emitter.buffers["io:first_token"] if is_divided(node) else whole
    arguments = [emitter.reshape(emitter.env[tokens], (count,)), first, emitter.env[table]]
    return emitter.reshape(emitter.call(choice, arguments, TensorSpec((count, shape[-1]), "float32")), shape)


def is_divided(node: torch.fx.Node) -> bool:
    """Whether an embedding reads a part of a table: it says so itself, or an all_reduce sums the dies' rows."""
    own, torchs = torch.ops.tytvm.embedding.default, torch.ops.aten.embedding.default
    summed = any(user.target is torch.ops.tytvm.all_reduce.default for user in node.users)
    return node.target is own or (node.target is torchs and summed)
