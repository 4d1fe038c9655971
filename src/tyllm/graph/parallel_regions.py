"""Parallel regions: what of a graph can be divided over dies, found in its structure.

A region is what lies between linear layers that are divided by their outputs and linear layers that are divided by
their inputs, after which one all_reduce makes the result whole (Shoeybi et al. 2019): an MLP, gated or not, and
attention by heads. Whatever is no part of a region stays whole on every die.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import fx

from tyllm.build.tensor_parallel import IN, OUT, WeightSharding
from tyllm.graph.sharding_spec import ShardingSpec, operand_specs, result_specs, shape_of
from tytvm.axis_spans import Span, split_axis
from tytvm.rewrites.pattern import complete
from tytvm.weights import LANES

LINEAR = torch.ops.aten.linear.default
GRAIN = 32
"""Inputs of a linear layer that a die should hold a multiple of: what a tile is deep."""


class _NotShardableError(Exception):
    """A value that cannot be divided."""


@dataclass(frozen=True)
class ParallelRegion:
    """Values that are divided over dies alike.

    Attributes:
        units: heads of attention or inner channels that there are; a die holds some of them, in each value.
        specs: how each value is divided, weights among them.
    """

    units: int
    specs: dict[fx.Node, ShardingSpec]

    def can_shard(self, dies: int) -> bool:
        """Whether each of so many dies gets a unit, and each block of a linear layer's weight whole vectors of it."""
        if self.units < dies:
            return False
        weights = [n for n in self.specs if any(u.target is LINEAR and u.args[1] is n for u in n.users)]
        fused = [self.weight_sharding(n, dies) for n in weights if self.specs[n].blocks > 1]
        return all(edge % LANES == 0 for sharding in fused for span in sharding.spans for edge in span)

    def spans(self, dies: int) -> list[Span]:
        """Each die's first unit and the one after its last, by multiples that suit the kernels where possible."""
        width = min(spec.extent(shape_of(node)) // self.units for node, spec in self.specs.items())
        unit = next((u for u in (-(-GRAIN // width), -(-LANES // width)) if self.units >= u * dies), 1)
        return split_axis(self.units, unit, dies, "units")

    def local_shape(self, node: fx.Node, span: Span) -> tuple[int, ...]:
        """A value's shape on the die that holds a span of the units."""
        shape, spec = list(shape_of(node)), self.specs[node]
        shape[spec.axis] = spec.blocks * (span[1] - span[0]) * (spec.extent(shape) // self.units)
        return tuple(shape)

    def weight_sharding(self, weight: fx.Node, dies: int) -> WeightSharding:
        """How a weight of the region is divided over so many dies."""
        spec = self.specs[weight]
        scale = spec.extent(shape_of(weight)) // self.units
        spans = tuple((start * scale, stop * scale) for start, stop in self.spans(dies))
        return WeightSharding((OUT, IN)[spec.axis], spans, spec.blocks)


def find_regions(graph: fx.Graph, weights: Collection[str], dies: int) -> list[ParallelRegion]:
    """Regions that so many dies can divide, none of which share a value.

    Args:
        graph: with `meta["val"]` at every node.
        weights: placeholders that may be divided.
        dies: how many.
    """
    regions: list[ParallelRegion] = []
    taken: set[fx.Node] = set()
    for node in graph.nodes:
        if node.target is not LINEAR or node.args[1].name not in weights or taken & {node.args[0], node.args[1]}:
            continue
        region = _RegionSearch(weights).region(node)
        if region is not None and region.can_shard(dies) and not taken & region.specs.keys():
            regions.append(region)
            taken |= region.specs.keys()
    return regions


@dataclass
class _RegionSearch:
    """Follows what must be divided with the input of one linear layer, both ways, to the linear layers around it."""

    weights: Collection[str]
    specs: dict[fx.Node, ShardingSpec] = field(default_factory=dict)
    units: int = 0
    waiting: list[fx.Node] = field(default_factory=list)

    def region(self, last: fx.Node) -> ParallelRegion | None:
        """The region that ends in a linear layer."""
        try:
            self._require(last.args[0], ShardingSpec(len(shape_of(last.args[0])) - 1))
            while self.waiting:
                node = self.waiting.pop()
                self._backward(node)
                self._forward(node)
        except _NotShardableError:
            return None
        return ParallelRegion(self.units, self.specs) if self.units > 1 else None

    def _require(self, node: fx.Node, spec: ShardingSpec) -> None:
        """A value must be divided so."""
        extent = spec.extent(shape_of(node))
        if extent < 2 or self.specs.get(node, spec) != spec:
            raise _NotShardableError
        if node not in self.specs:
            self.specs[node] = spec
            self.units = math.gcd(self.units, extent)
            self.waiting.append(node)

    def _backward(self, node: fx.Node) -> None:
        """Require that the operands of a node are divided as its value is."""
        spec = self.specs[node]
        if node.op == "placeholder":
            if node.name not in self.weights or spec.axis > IN or (spec.axis == IN and spec.blocks > 1):
                raise _NotShardableError
        elif node.target is LINEAR:
            self._first(node, spec)
        else:
            found = operand_specs(node, spec)
            if found is None:
                raise _NotShardableError
            for operand, own in found.items():
                self._require(operand, own)

    def _first(self, node: fx.Node, spec: ShardingSpec) -> None:
        """Require that a linear layer is divided by its outputs."""
        _, weight, bias = complete(node.target, node.args, node.kwargs)
        if spec.axis != len(shape_of(node)) - 1:
            raise _NotShardableError
        for own in filter(None, (weight, bias)):
            self._require(own, ShardingSpec(OUT, spec.blocks))

    def _forward(self, node: fx.Node) -> None:
        """Require that each consumer of a value is divided too, or is a linear layer that is divided by its inputs."""
        spec = self.specs[node]
        for user in node.users:
            if user.target is LINEAR:
                self._linear_consumer(node, spec, user)
                continue
            found = next(result_specs(user, node, spec), None) if user.op == "call_function" else None
            if found is None:
                raise _NotShardableError
            self._require(user, found)

    def _linear_consumer(self, node: fx.Node, spec: ShardingSpec, user: fx.Node) -> None:
        x, weight, bias = complete(user.target, user.args, user.kwargs)
        if node is x:
            if spec != ShardingSpec(len(shape_of(x)) - 1):
                raise _NotShardableError
            self._require(weight, ShardingSpec(IN))
        elif node is weight and spec.axis == IN:
            self._require(x, ShardingSpec(len(shape_of(x)) - 1))
        elif node in (weight, bias):
            self._require(user, ShardingSpec(len(shape_of(user)) - 1, spec.blocks))
