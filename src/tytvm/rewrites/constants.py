"""Constant folding: what follows from constants alone is computed now, by torch, on their true values.

So the positions of an image's patches become the cosines and sines that its attention turns by, once for all runs.
Weights are no constants here: their values come last, a few rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

import torch
from torch import fx

from tytvm.capture import Capture
from tytvm.rewrites.duplicates import is_pure

MOST_BYTES = 16 << 20
"""Of a value that is stored; a program computes larger ones, which it may do as fast as it would read them."""
_ASSERTION = torch.ops.aten._assert_tensor_metadata.default
Values: TypeAlias = "dict[fx.Node, Any]"
"""Node → its value: a tensor, the list of them that `split` returns, or None for a check."""


def fold(capture: Capture) -> int:
    """Compute nodes in place, and let go of constants that nothing reads; the number of nodes gone.

    What was computed is read from new placeholders, whose values are in `capture.constants`. A graph in which an
    operator writes to its input stays as it is.
    """
    graph = capture.graph_module.graph
    before = len(graph.nodes)
    if all(map(_is_safe, graph.nodes)):
        given = {name: value.detach().cpu() for name, value in capture.constants.items() if not value.is_meta}
        values = known_values(graph, given, MOST_BYTES)
        capture.constants.update(replace_known(graph, values, _identity))  # every layer computes the same tables anew
        for node in reversed(values):
            if node.op != "placeholder" and not node.users:
                graph.erase_node(node)
        _drop_unread(capture)
    graph.lint()
    capture.graph_module.recompile()
    return before - len(graph.nodes)


def known_values(graph: fx.Graph, given: Mapping[str, torch.Tensor], most_bytes: float = math.inf) -> Values:
    """The value of every node that has one before the program runs.

    Args:
        graph: of ATen operators, none of which writes to its input.
        given: values of any shape by placeholder; those of all operators that follow from them are computed.
        most_bytes: of a node's value; a larger one is not computed.
    """
    values: Values = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            if node.name in given:
                values[node] = given[node.name]
        elif node.target is _ASSERTION and node.args[0] in values:
            values[node] = None
        elif _follows(node, values, most_bytes):
            values[node] = _compute(node, values)
    return values


def replace_known(
    graph: fx.Graph, values: Values, identity: Callable[[torch.Tensor], Hashable] = id
) -> dict[str, torch.Tensor]:
    """Let what must still run read known values from new placeholders, in place.

    Args:
        graph: whose nodes `values` are of.
        values: from `known_values`, of any shape.
        identity: values that are equal by it share a placeholder.

    Returns:
        The new placeholders' values, by name.
    """
    stored: dict[Hashable, fx.Node] = {}
    made: dict[str, torch.Tensor] = {}
    for node in [node for node in values if _is_read_elsewhere(node, values)]:
        key = identity(values[node])
        if key not in stored:
            stored[key] = _placeholder_for(graph, node)
            made[stored[key].name] = values[node].contiguous()
        node.replace_all_uses_with(stored[key])
    return made


def _follows(node: fx.Node, values: Values, most_bytes: float) -> bool:
    """Whether a node's value follows from those, the same each time, and is small enough to be kept."""
    known = node.op == "call_function" and is_pure(node) and values.keys() >= set(node.all_input_nodes)
    return known and _bytes(node) <= most_bytes


def _compute(node: fx.Node, values: Values) -> Any:
    """The value that a node returns, computed on the CPU wherever the graph was traced to run."""
    args, kwargs = fx.node.map_aggregate(
        fx.node.map_arg((node.args, dict(node.kwargs)), values.__getitem__),
        lambda argument: torch.device("cpu") if isinstance(argument, torch.device) else argument,
    )
    with torch.inference_mode(False), torch.no_grad():
        return node.target(*args, **kwargs)


def _placeholder_for(graph: fx.Graph, node: fx.Node) -> fx.Node:
    """A placeholder that holds a node's value from now on."""
    with graph.inserting_before(next(each for each in graph.nodes if each.op != "placeholder")):
        stored = graph.placeholder(f"folded_{node.name}")
    stored.meta = {"val": node.meta["val"]}
    return stored


def _identity(value: torch.Tensor) -> Hashable:
    """A key that equal tensors share."""
    return value.dtype, value.shape, bytes(value.contiguous().flatten().view(torch.uint8).numpy())


def _is_read_elsewhere(node: fx.Node, values: Values) -> bool:
    """Whether what must still run reads a node's value."""
    is_new = node.op != "placeholder" and isinstance(values[node], torch.Tensor)
    return is_new and any(user not in values for user in node.users)


def _drop_unread(capture: Capture) -> None:
    graph = capture.graph_module.graph
    for node in graph.find_nodes(op="placeholder"):
        if node.name in capture.constants and not node.users:
            del capture.constants[node.name]
            graph.erase_node(node)


def _is_safe(node: fx.Node) -> bool:
    """Whether a node leaves its inputs as they are, so that each node stands for one value."""
    schema = getattr(node.target, "_schema", None)
    return schema is None or not schema.is_mutable


def _bytes(node: fx.Node) -> int:
    """Of all tensors that a node returns."""
    value = node.meta.get("val")
    tensors = value if isinstance(value, list | tuple) else [value]
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, torch.Tensor))
