"""Operators that move no data here become reshapes: no work at run time; those that do keep TVM's converters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch

from tytvm.emitter import Emitter, Value
from tytvm.weights import Plain

Converter = Callable[[torch.fx.Node], Value]


def converters(emitter: Emitter, theirs: Mapping[str, Converter]) -> dict[str, Converter]:
    """Ours, by operator, which fall back on TVM's (`theirs`)."""
    return {
        "reshape.default": partial(_reshape, emitter),
        "view.default": partial(_reshape, emitter),
        "unsqueeze.default": partial(_reshape, emitter),
        "squeeze.dim": partial(_reshape, emitter),
        "transpose.int": partial(_permute, emitter, theirs["transpose.int"]),
        "permute.default": partial(_permute, emitter, theirs["permute.default"]),
    }


def _reshape(emitter: Emitter, node: torch.fx.Node) -> Value:
    """A weight stays what it is: how it is stored has its own shape."""
    if (name := emitter.weight_names.get(node.args[0])) and not isinstance(emitter.graph.weights[name], Plain):
        emitter.weight_names[node] = name
        return emitter.env[node.args[0]]
    return emitter.reshape(emitter.env[node.args[0]], tuple(node.meta["val"].shape))


def _permute(emitter: Emitter, otherwise: Converter, node: torch.fx.Node) -> Value:
    """A permutation that moves only axes of length 1 is a reshape: so it is for one token."""
    before, after = node.args[0].meta["val"].shape, node.meta["val"].shape
    if [n for n in before if n != 1] != [n for n in after if n != 1] or len(set(before) - {1}) != sum(
        n != 1 for n in before
    ):
        return otherwise(node)
    return _reshape(emitter, node)
