"""A sum that a norm reads (a residual) is made by the norm's kernel: one pass and one barrier less."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from tytvm.converters import layer_norm, rms_norm
from tytvm.emitter import Emitter, Value


def convert(emitter: Emitter, otherwise: Callable[[torch.fx.Node], Value], node: torch.fx.Node) -> Value:
    """(x, y) → x + y; leaves the norm's value in the emitter's `env` too, if there is one."""
    norm = _norm_of(emitter, node)
    if norm is None:
        return otherwise(node)
    shape = tuple(node.meta["val"].shape)
    rows = (math.prod(shape[:-1]), shape[-1])
    terms = [emitter.reshape(emitter.env[term], rows) for term in node.args]
    total, emitter.env[norm] = _module_of(norm).emit(emitter, norm, terms, rows)
    return emitter.reshape(total, shape)


def _norm_of(emitter: Emitter, node: torch.fx.Node) -> torch.fx.Node | None:
    """The norm that reads a sum of two tensors of one shape, where its weights are at hand."""
    if node.kwargs or not all(_is_alike(term, node) for term in node.args):
        return None
    norms = [user for user in node.users if _module_of(user) and user.args[0] is node]
    return next((norm for norm in norms if set(norm.all_input_nodes) - {node} <= emitter.env.keys()), None)


def _module_of(node: torch.fx.Node) -> Value:
    """The module that converts a norm; None for any other node."""
    return next((module for module in (rms_norm, layer_norm) if module.is_norm(node)), None)


def _is_alike(term: object, node: torch.fx.Node) -> bool:
    """Whether a term has the shape and type of the sum."""
    value = term.meta["val"] if isinstance(term, torch.fx.Node) else None
    return value is not None and value.shape == node.meta["val"].shape and value.dtype == torch.float32
