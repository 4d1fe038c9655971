"""A fusion: where one of its patterns stands in a graph, one node of an operator of ours takes its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import fx
from torch._ops import OpOverload

from tytvm.rewrites.pattern import Match, OperatorPattern, Wildcard, matches

# Views compute nothing, so that another consumer of one inside a pattern loses nothing by the fusion.
VIEWS = {torch.ops.aten.slice.Tensor, torch.ops.aten.unsqueeze.default}


@dataclass(frozen=True)
class Fusion:
    """`patterns` become `target` on what stands in the wildcards `operands`, wherever `fits(**wildcards)` says yes."""

    patterns: tuple[OperatorPattern, ...]
    target: OpOverload
    operands: tuple[Wildcard, ...]
    fits: Callable[..., bool]

    def fuse(self, graph: fx.Graph) -> int:
        """Fuse in place wherever a pattern stands; how often it did."""
        count = sum(self._fuse(graph, node) for node in list(graph.nodes))
        graph.eliminate_dead_code()
        return count

    def _fuse(self, graph: fx.Graph, root: fx.Node) -> bool:
        """Put the operator in the place of the pattern that ends in `root`, if there is one."""
        match = self.find(root)
        if match is None:
            return False
        args = tuple(match.values[wildcard.name] for wildcard in self.operands)
        with graph.inserting_before(root):
            fused = graph.create_node("call_function", self.target, args, name=self.target._opname)
        fused.meta = {**root.meta, "val": self.target(*fx.node.map_arg(args, lambda node: node.meta["val"]))}
        root.replace_all_uses_with(fused)
        _erase(graph, match, root)
        return True

    def find(self, root: fx.Node) -> Match | None:
        """The first match that ends in `root`, fits, and of which nothing but the result is read outside."""
        candidates = (match for pattern in self.patterns for match in matches(pattern, root))
        return next((m for m in candidates if _is_private(m, root) and self.fits(**m.values)), None)


def _is_private(match: Match, root: fx.Node) -> bool:
    """Whether all consumers of the nodes inside are inside too: otherwise they would be computed a second time."""
    inner = (node for node in match.nodes if node is not root and node.target not in VIEWS)
    return all(match.nodes.issuperset(node.users) for node in inner)


def _erase(graph: fx.Graph, match: Match, root: fx.Node) -> None:
    """Remove the root and all inside it that nothing reads any more, so that no later match sees them."""
    remaining = {root}
    while remaining:
        node = remaining.pop()
        inputs = match.nodes.intersection(node.all_input_nodes)
        graph.erase_node(node)
        remaining |= {source for source in inputs if not source.users}
