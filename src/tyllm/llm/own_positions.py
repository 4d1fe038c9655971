"""Positions that a model counts itself, found in its graph: numbers 0, 1, 2, … that grow with the step are its input.

A decoder of BART's kind, or Llama 4 where it tempers its queries, counts from its own cache on, which a captured step
has not. `step_guard.py` then shows that a row depends on its own position alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import fx

from tyllm_base.errors import UnsupportedError
from tytvm.capture import Capture
from tytvm.rewrites.emit import emit_call

aten = torch.ops.aten
COUNTS = {aten.arange.default, aten.arange.start, aten.arange.start_step}


def counted_positions(some: Capture, captured: Callable[[int], Capture], tokens: int) -> tuple[int, ...]:
    """Which counts of a step are of its tokens, by their place among all counts.

    Args:
        some: the capture of a step of `tokens` tokens.
        captured: the capture of a step of so many; one more is tried where a count matters.
        tokens: of the step.
    """
    if not any(_is_read(node) and _length(node) == tokens for node in _counts(some)):
        return ()
    pairs = enumerate(zip(_counts(some), _counts(captured(tokens + 1)), strict=True))
    return tuple(place for place, (a, b) in pairs if (_length(a), _length(b)) == (tokens, tokens + 1))


def use_positions(capture: Capture, places: tuple[int, ...]) -> None:
    """Put the input `positions` [1, S] in the places of such counts, in place.

    Raises:
        UnsupportedError: a step of so many tokens counts otherwise.
    """
    graph = capture.graph_module.graph
    positions = next(node for node in graph.nodes if node.name == "positions")
    tokens, counts = positions.meta["val"].shape[1], list(_counts(capture))
    for place in places:
        if place >= len(counts) or _length(counts[place]) != tokens:
            raise UnsupportedError(
                f"The model counts positions in another way in steps of {tokens} tokens; it cannot be compiled."
            )
        node = counts[place]
        with graph.inserting_before(node):
            row = emit_call(graph, aten.reshape.default, positions, [tokens])
            node.replace_all_uses_with(emit_call(graph, aten.to.dtype, row, node.meta["val"].dtype))
        graph.erase_node(node)
    capture.graph_module.recompile()


def _counts(capture: Capture) -> Iterator[fx.Node]:
    return (node for node in capture.graph_module.graph.nodes if node.target in COUNTS)


def _length(node: fx.Node) -> int | None:
    """How far a node counts from 0 in steps of one; None where it counts otherwise."""
    start, end, *step = node.args if len(node.args) > 1 else (0, *node.args)
    return int(end) if start == 0 and step in ([], [1]) else None


def _is_read(node: fx.Node) -> bool:
    """Whether the result depends on a node."""
    waiting, seen = [node], set[fx.Node]()
    while waiting:
        each = waiting.pop()
        if each.op == "output":
            return True
        waiting += [user for user in each.users if user not in seen]
        seen |= set(each.users)
    return False
