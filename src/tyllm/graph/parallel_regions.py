"""Regions: what of a graph can be divided over dies, found in its structure.

A region is what lies between linear layers that are cut by their outputs and linear layers that are cut by their
inputs, after which one all_reduce makes the result whole (Shoeybi et al. 2019): an MLP, gated or not, and attention by
heads. Whatever is no part of a region stays whole on every die.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import fx

from tyllm.build.tensor_parallel import IN, OUT, WeightSharding
from tyllm.graph.sharding_spec import Place, operands, places, shape_of
from tytvm.axis_spans import Span, split_axis
from tytvm.rewrites.pattern import complete
from tytvm.weights import LANES

LINEAR = torch.ops.aten.linear.default
GRAIN = 32
"""Inputs of a linear layer that a die should hold a multiple of: what a tile is deep."""


class _UndividableError(Exception):
    """A value that cannot be divided."""


@dataclass(frozen=True)
class Region:
    """Values that are divided over dies alike.

    Attributes:
        units: into how many units each is divided.
        places: where they lie in each value, weights among them.
    """

    units: int
    places: dict[fx.Node, Place]

    def divides(self, dies: int) -> bool:
        """Whether each of so many dies gets a unit, and each block of a linear layer's weight whole vectors of it."""
        if self.units < dies:
            return False
        cuts = [self.cut(n, dies) for n in self.places if any(u.target is LINEAR and u.args[1] is n for u in n.users)]
        return all(edge % LANES == 0 for cut in cuts if cut.blocks > 1 for span in cut.spans for edge in span)

    def spans(self, dies: int) -> list[Span]:
        """Each die's units: as many elements as suit the kernels, where there are enough."""
        width = min(place.extent(shape_of(node)) // self.units for node, place in self.places.items())
        unit = next((u for u in (-(-GRAIN // width), -(-LANES // width)) if self.units >= u * dies), 1)
        return split_axis(self.units, unit, dies, "units")

    def local_shape(self, node: fx.Node, span: Span) -> tuple[int, ...]:
        """A value's shape on the die that holds a span of the units."""
        shape, place = list(shape_of(node)), self.places[node]
        shape[place.axis] = place.blocks * (span[1] - span[0]) * (place.extent(shape) // self.units)
        return tuple(shape)

    def cut(self, weight: fx.Node, dies: int) -> WeightSharding:
        """How a weight of the region is cut."""
        place = self.places[weight]
        scale = place.extent(shape_of(weight)) // self.units
        spans = tuple((start * scale, stop * scale) for start, stop in self.spans(dies))
        return WeightSharding((OUT, IN)[place.axis], spans, place.blocks)


def find_regions(graph: fx.Graph, weights: Collection[str], dies: int) -> list[Region]:
    """Regions that so many dies can divide, none of which share a value.

    Args:
        graph: with `meta["val"]` at every node.
        weights: placeholders that may be cut.
        dies: how many.
    """
    regions: list[Region] = []
    taken: set[fx.Node] = set()
    for node in graph.nodes:
        if node.target is not LINEAR or node.args[1].name not in weights or taken & {node.args[0], node.args[1]}:
            continue
        region = _Search(weights).region(node)
        if region is not None and region.divides(dies) and not taken & region.places.keys():
            regions.append(region)
            taken |= region.places.keys()
    return regions


@dataclass
class _Search:
    """Follows what must be divided with the input of one linear layer, both ways, to the linear layers around it."""

    weights: Collection[str]
    places: dict[fx.Node, Place] = field(default_factory=dict)
    units: int = 0
    waiting: list[fx.Node] = field(default_factory=list)

    def region(self, last: fx.Node) -> Region | None:
        """The region that ends in a linear layer."""
        try:
            self._require(last.args[0], Place(len(shape_of(last.args[0])) - 1))
            while self.waiting:
                node = self.waiting.pop()
                self._backward(node)
                self._forward(node)
        except _UndividableError:
            return None
        return Region(self.units, self.places) if self.units > 1 else None

    def _require(self, node: fx.Node, place: Place) -> None:
        """A value must be divided so."""
        extent = place.extent(shape_of(node))
        if extent < 2 or self.places.get(node, place) != place:
            raise _UndividableError
        if node not in self.places:
            self.places[node] = place
            self.units = math.gcd(self.units, extent)
            self.waiting.append(node)

    def _backward(self, node: fx.Node) -> None:
        """What a value is made of is divided too."""
        place = self.places[node]
        if node.op == "placeholder":
            if node.name not in self.weights or place.axis > IN or (place.axis == IN and place.blocks > 1):
                raise _UndividableError
        elif node.target is LINEAR:
            self._first(node, place)
        else:
            found = operands(node, place)
            if found is None:
                raise _UndividableError
            for operand, own in found.items():
                self._require(operand, own)

    def _first(self, node: fx.Node, place: Place) -> None:
        """A linear layer that is cut by its outputs."""
        _, weight, bias = complete(node.target, node.args, node.kwargs)
        if place.axis != len(shape_of(node)) - 1:
            raise _UndividableError
        for own in filter(None, (weight, bias)):
            self._require(own, Place(OUT, place.blocks))

    def _forward(self, node: fx.Node) -> None:
        """What reads a value is divided too, or is a linear layer that is cut by its inputs."""
        place = self.places[node]
        for user in node.users:
            if user.target is LINEAR:
                self._linear_reader(node, place, user)
                continue
            found = next(places(user, node, place), None) if user.op == "call_function" else None
            if found is None:
                raise _UndividableError
            self._require(user, found)

    def _linear_reader(self, node: fx.Node, place: Place, user: fx.Node) -> None:
        x, weight, bias = complete(user.target, user.args, user.kwargs)
        if node is x:
            if place != Place(len(shape_of(x)) - 1):
                raise _UndividableError
            self._require(weight, Place(IN))
        elif node is weight and place.axis == IN:
            self._require(x, Place(len(shape_of(x)) - 1))
        elif node in (weight, bias):
            self._require(user, Place(len(shape_of(user)) - 1, place.blocks))
