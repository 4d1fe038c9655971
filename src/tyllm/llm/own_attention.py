"""Attention that a model computes in code of its own, found in its graph: softmax(scale · q kᵀ + bias) v.

What is added to the scores is not read off the code but computed, for more tokens than a window has, and compared with
what our operator can be told: causality, a sliding window, and slopes of ALiBi (Press et al., 2021, arXiv:2108.12409).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import fx

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)
from tyllm.llm.attention_steps import write_out
from tyllm_base.errors import UnsupportedError
from tytvm.capture import Capture
from tytvm.rewrites.cleanup import remove_clutter
from tytvm.rewrites.constants import known_values
from tytvm.rewrites.emit import emit_call
from tytvm.rewrites.pattern import complete

aten = torch.ops.aten
SOFTMAX = {aten.softmax.int, aten._softmax.default}
PRODUCTS = {aten.matmul.default, aten.bmm.default, aten.baddbmm.default}
HIDDEN = -5e3
"""Scores below this are hidden by a mask: e to the power of what is left is 0 beside any other."""
LARGE = 1024.0
"""A score that tells the scale in float32 beside what is added."""
OTHER_SCORES = (-LARGE, LARGE / 16)
"""Scores that have to have the same scale: a cap or a clamp has another."""


@dataclass(frozen=True)
class OwnAttention:
    """What one attention adds to its scores.

    Attributes:
        scale: factor of the product of queries and keys.
        window: how many of the last tokens a token sees; 0 is all of them.
        slopes: by head, what is added for each token of distance, a negative number each; None is nothing.
    """

    scale: float
    window: int
    slopes: tuple[float, ...] | None


@dataclass(frozen=True)
class _Found:
    """An attention in a graph: the products of queries and keys and of weights and values, and the softmax between."""

    scores: fx.Node
    softmax: fx.Node
    result: fx.Node


def recognize(capture: Capture) -> tuple[OwnAttention, ...]:
    """The attentions of a captured step of many tokens, in order.

    Raises:
        UnsupportedError: one is not causal, or adds something else.
    """
    graph = _cleaned(capture)
    given = {name: value for name, value in capture.constants.items() if not value.is_meta}
    positions = next(node for node in graph.nodes if node.name == "positions")
    tokens = positions.meta["val"].shape[1]
    values = known_values(graph, given | {"positions": torch.arange(tokens).unsqueeze(0)})
    return tuple(_settings(found, values, tokens) for found in _attentions(graph))


def replace(capture: Capture, known: Sequence[OwnAttention]) -> None:
    """Put our operator in the place of each attention, in place; `known` are they, in order."""
    graph = _cleaned(capture)
    for layer, (found, own) in enumerate(zip(list(_attentions(graph)), known, strict=True)):
        slopes = None if own.slopes is None else _constant(capture, f"slopes_{layer}", torch.tensor(own.slopes))
        with graph.inserting_before(found.result):
            q, k, v = _operands(graph, found)
            settings = layer, own.scale, own.window, 0.0, 0, None, slopes
            made = emit_call(graph, torch.ops.tytvm.attention.default, q, k, v, *settings)
            made = emit_call(graph, aten.transpose.int, made, 1, 2)
            made = emit_call(graph, aten.reshape.default, made, list(found.result.meta["val"].shape))
        found.result.replace_all_uses_with(made)
    graph.eliminate_dead_code()
    capture.graph_module.recompile()


def _cleaned(capture: Capture) -> fx.Graph:
    graph = capture.graph_module.graph
    remove_clutter(graph)
    write_out(graph)
    return graph


def _attentions(graph: fx.Graph) -> Iterator[_Found]:
    """Every softmax between two products of as many tokens."""
    for node in graph.nodes:
        if node.target in SOFTMAX:
            before, after = _product_before(node), _product_after(node)
            if before is not None and after is not None:
                yield _Found(before, node, after)


def _product_before(softmax: fx.Node) -> fx.Node | None:
    """The one product whose result the softmax's input is made of."""
    waiting, seen, found = [softmax.args[0]], set[fx.Node](), list[fx.Node]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.target in PRODUCTS:
            found.append(node)
        else:
            waiting += node.all_input_nodes
    return found[0] if len(found) == 1 else None


def _product_after(softmax: fx.Node) -> fx.Node | None:
    """The product of the weights, or of them under another shape, with values."""
    node = softmax
    while len(node.users) == 1:
        (user,) = node.users
        if user.target in PRODUCTS:
            return user if user.args[0] is node else None
        if user.target is not aten.reshape.default:
            return None
        node = user
    return None


def _operands(graph: fx.Graph, found: _Found) -> tuple[fx.Node, fx.Node, fx.Node]:
    """Queries, keys and values, each [1, heads, tokens, width]."""
    query, keys = found.scores.args[-2:] if found.scores.target is not aten.baddbmm.default else found.scores.args[1:3]
    rows = emit_call(graph, aten.transpose.int, keys, -1, -2)
    return tuple(_with_batch(graph, node) for node in (query, rows, found.result.args[1]))


def _with_batch(graph: fx.Graph, node: fx.Node) -> fx.Node:
    shape = list(node.meta["val"].shape)
    return node if len(shape) == 4 else emit_call(graph, aten.reshape.default, node, [1, *shape])


Values: TypeAlias = "dict[fx.Node, Any]"


def _settings(found: _Found, values: Values, tokens: int) -> OwnAttention:
    """What is done to the scores, from what becomes of zeros and of large ones."""
    zeros = _biased(found, values, 0.0)
    visible = zeros > HIDDEN
    place = torch.arange(tokens)
    distance = place.unsqueeze(1) - place
    seen = int(visible[0, -1].sum())
    window = 0 if seen == tokens else seen
    expected = (distance >= 0) & (distance < (window or tokens))
    if not torch.equal(visible, expected.expand_as(visible)):
        raise _refusal(found, "sees other tokens than those before it")
    slopes = (zeros[:, -1, -1] - zeros[:, -1, -2]).double()
    bias = zeros - zeros.diagonal(dim1=1, dim2=2).unsqueeze(2)
    if not torch.allclose(bias[visible], (-distance * slopes.view(-1, 1, 1))[visible].float(), atol=1e-4, rtol=1e-3):
        raise _refusal(found, "adds to its scores what is no multiple of the distance")
    scale = float(((_biased(found, values, LARGE) - zeros)[visible] / LARGE).double().mean())
    for score in (LARGE, *OTHER_SCORES):
        scaled = (_biased(found, values, score) - zeros)[visible]
        if not torch.allclose(scaled, torch.full_like(scaled, score * scale), rtol=1e-3):
            raise _refusal(found, "does more to its scores than scaling them all alike")
    return OwnAttention(scale, window, tuple(slopes.tolist()) if slopes.any() else None)


def _biased(found: _Found, values: Values, score: float) -> torch.Tensor:
    """What the softmax is given where every product of query and key is `score`: float [heads, tokens, tokens]."""
    product = torch.full(found.scores.meta["val"].shape, score)
    if found.scores.target is aten.baddbmm.default:
        bias, _, _, beta, alpha = complete(found.scores.target, found.scores.args, found.scores.kwargs)
        product = beta * values[bias] + alpha * product
    made = {**values, found.scores: product}
    try:
        result = _value(found.softmax.args[0], made)
    except KeyError as error:
        raise _refusal(found, "adds to its scores what depends on the text") from error
    heads = found.scores.meta["val"].shape[-3]
    return result.reshape(-1, *result.shape[-2:]).expand(heads, -1, -1)


def _value(node: fx.Node, made: Values) -> torch.Tensor:
    """A node's value, from those of others; raises `KeyError` where it depends on an input that has none."""
    if node not in made:
        if node.op != "call_function":
            raise KeyError(node.name)
        for source in node.all_input_nodes:
            _value(source, made)
        args, kwargs = fx.node.map_aggregate(
            fx.node.map_arg((node.args, dict(node.kwargs)), made.__getitem__),
            lambda argument: torch.device("cpu") if isinstance(argument, torch.device) else argument,
        )
        made[node] = node.target(*args, **kwargs)
    return made[node]


def _constant(capture: Capture, name: str, value: torch.Tensor) -> fx.Node:
    graph = capture.graph_module.graph
    with graph.inserting_before(next(node for node in graph.nodes if node.op != "placeholder")):
        node = graph.placeholder(name)
    node.meta["val"] = value.to("meta")
    capture.constants[name] = value
    return node


def _refusal(found: _Found, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"An attention of the model ({found.softmax.name}) {what}, which cannot be compiled; choose another model."
    )
