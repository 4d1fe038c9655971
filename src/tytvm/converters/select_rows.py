"""Rows chosen by an input of the program, such as the one whose logits are requested: with them the head begins."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tvm import relax

from tytvm.converters.consumers import requested_row_encoding
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operators import SelectRows


def convert(emitter: Emitter, otherwise: Callable[[torch.fx.Node], Value], node: torch.fx.Node) -> Value:
    """(x [1,S,H], (none, index [R])) → [1,R,H]; of other shapes TVM's own, where no index reads outside."""
    x, indices = node.args
    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1:
        return otherwise(node)
    ((axis, index),) = given
    value, index_value = x.meta["val"], index.meta["val"]
    if axis != 1 or value.ndim != 3 or value.shape[0] != 1 or value.dtype != torch.float32 or index_value.ndim != 1:
        return emitter.emit(relax.op.take(emitter.env[x], emitter.env[index], axis, "wrap"))
    (_, tokens, width), count = value.shape, len(index_value)
    encoding = requested_row_encoding(emitter, node)
    choice = emitter.kernels.choose(SelectRows(tokens, width, count, encoding))
    arguments = [emitter.reshape(emitter.env[x], (tokens, width)), emitter.env[index]]
    (result,) = emitter.call_encoded(choice, arguments, [], encoding, (count, width))
    return emitter.reshape(result, (1, count, width))
