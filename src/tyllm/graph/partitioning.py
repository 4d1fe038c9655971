"""Partitioning: a graph over dies: which part of each weight a die holds, and each die's own graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from tyllm.build.tensor_parallel import WeightSharding
from tyllm.graph.parallel_regions import ParallelRegion, find_regions
from tyllm.graph.sharding_spec import shape_of
from tyllm.graph.supported_subgraphs import copy_graph_module
from tyllm.graph.trace import propagate

aten = torch.ops.aten
SHAPED = {aten.reshape.default, aten.expand.default}
"""Operators whose second argument is their result's shape."""
SIZED = {aten.split.Tensor, aten.split_with_sizes.default}
"""Operators whose second argument is the size of a piece, or the sizes."""


@dataclass(frozen=True)
class Partitioning:
    """A graph over dies.

    Attributes:
        graph_module: the whole graph.
        regions: what of it is divided; everything else is computed by every die.
        dies: how many.
    """

    graph_module: fx.GraphModule
    regions: Sequence[ParallelRegion]
    dies: int

    def shards(self) -> dict[str, WeightSharding]:
        """How each weight in the regions is divided, by placeholder."""
        return {
            node.name: region.weight_sharding(node, self.dies)
            for region in self.regions
            for node in region.specs
            if node.op == "placeholder"
        }

    def of_die(self, die: int) -> fx.GraphModule:
        """A die's own graph: the whole one with the shapes that the die holds.

        Raises:
            ValueError: the shapes contradict each other (a mistake in a rule of `sharding_spec`).
        """
        own, copies = copy_graph_module(self.graph_module)
        for region in self.regions:
            span = region.spans(self.dies)[die]
            shapes = {node: region.local_shape(node, span) for node in region.specs}
            for node, shape in shapes.items():
                _reshape(node, copies[node], shape, shapes)
        expected = {copies[node]: shape_of(node) for node in copies if isinstance(node.meta.get("val"), torch.Tensor)}
        expected |= {copies[n]: r.local_shape(n, r.spans(self.dies)[die]) for r in self.regions for n in r.specs}
        propagate(own)
        wrong = [node.name for node, shape in expected.items() if shape_of(node) != shape]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} cannot be divided over {self.dies} dies.")
        return own


def partition(graph_module: fx.GraphModule, weights: Collection[str], dies: int) -> Partitioning:
    """A graph over so many dies.

    Args:
        graph_module: with `meta["val"]` at every node.
        weights: placeholders that may be divided.
        dies: how many.
    """
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
