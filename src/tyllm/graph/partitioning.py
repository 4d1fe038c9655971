"""Partitioning: a graph over dies: which part of each weight a die holds, and each die's own graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from tyllm.build.tensor_parallel import WeightSharding
from tyllm.graph.parallel_regions import Region, find_regions
from tyllm.graph.sharding_spec import shape_of
from tyllm.graph.supported_subgraphs import copy_of
from tyllm.graph.trace import propagate

aten = torch.ops.aten
SHAPED = {aten.reshape.default, aten.expand.default}
"""Operators whose second argument is their result's shape."""
SIZED = {aten.split.Tensor, aten.split_with_sizes.default}
"""Operators whose second argument is the size of a piece, or the sizes."""


@dataclass(frozen=True)
class Partitioning:
    """A graph with its regions, over so many dies."""

    graph_module: fx.GraphModule
    regions: Sequence[Region]
    dies: int

    def shards(self) -> dict[str, WeightSharding]:
        """How the weights in the regions are cut, by placeholder."""
        return {
            node.name: region.cut(node, self.dies)
            for region in self.regions
            for node in region.places
            if node.op == "placeholder"
        }

    def of_die(self, die: int) -> fx.GraphModule:
        """A die's own graph: the whole one with the shapes that the die holds.

        Raises:
            ValueError: the shapes contradict each other (a mistake in a rule of `places`).
        """
        own, mine = copy_of(self.graph_module)
        for region in self.regions:
            span = region.spans(self.dies)[die]
            shapes = {node: region.local_shape(node, span) for node in region.places}
            for node, shape in shapes.items():
                _reshape(node, mine[node], shape, shapes)
        wanted = {mine[node]: shape_of(node) for node in mine if isinstance(node.meta.get("val"), torch.Tensor)}
        wanted |= {mine[n]: r.local_shape(n, r.spans(self.dies)[die]) for r in self.regions for n in r.places}
        propagate(own)
        wrong = [node.name for node, shape in wanted.items() if shape_of(node) != shape]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} cannot be divided over {self.dies} dies.")
        return own


def partition(graph_module: fx.GraphModule, weights: Collection[str], dies: int) -> Partitioning:
    """A graph with `meta["val"]` at every node over so many dies; `weights` are the placeholders that may be cut."""
    regions = find_regions(graph_module.graph, weights, dies) if dies > 1 else []
    return Partitioning(graph_module, regions, dies)


def _reshape(node: fx.Node, own: fx.Node, shape: tuple[int, ...], shapes: Mapping[fx.Node, tuple[int, ...]]) -> None:
    """Give a die's node the sizes that the die holds, where they are written in the graph."""
    if node.op == "placeholder":
        own.meta["val"] = node.meta["val"].new_empty(shape)
    elif node.target in SHAPED:
        own.args = (own.args[0], list(shape), *own.args[2:])
    elif node.target in SIZED:
        axis = node.args[2] if len(node.args) > 2 else 0
        pieces = {user.args[1]: shapes[user][axis] for user in node.users}
        sizes = [pieces.get(number, piece.shape[axis]) for number, piece in enumerate(node.meta["val"])]
        own.target, own.args, own.kwargs = aten.split_with_sizes.default, (own.args[0], sizes, axis), {}
