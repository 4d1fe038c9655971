"""Patterns over a graph, written as the formula that they find: `x * rsqrt(mean(x**2, dims, True) + eps) * weight`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

aten = torch.ops.aten


class Pattern:
    """A part of a formula; +, ·, −x and powers of parts are parts. Sums and products match in either order."""

    def __add__(self, other: Pattern) -> OperatorPattern:
        return OperatorPattern(aten.add.Tensor, (self, other), commutes=True)

    def __mul__(self, other: Pattern) -> OperatorPattern:
        return OperatorPattern(aten.mul.Tensor, (self, other), commutes=True)

    def __neg__(self) -> OperatorPattern:
        return OperatorPattern(aten.neg.default, (self,))

    def __pow__(self, exponent: float) -> OperatorPattern:
        return OperatorPattern(aten.pow.Tensor_Scalar, (self, exponent))


@dataclass(frozen=True)
class Wildcard(Pattern):
    """Anything: a node, a number, a list. A wildcard that stands twice in a formula is the same thing both times."""

    name: str


@dataclass(frozen=True)
class OperatorPattern(Pattern):
    """One operator on parts, wildcards, literals and lists of them; arguments left out have the operator's defaults."""

    target: OpOverload
    args: tuple[Any, ...]
    commutes: bool = False

    def orders(self) -> Iterator[list[Any]]:
        """The arguments, then with the first two exchanged if the operator commutes."""
        first, *rest = complete(self.target, self.args, {})
        yield [first, *rest]
        if self.commutes:
            yield [rest[0], first, *rest[1:]]


@dataclass(frozen=True)
class Match:
    """A match: the value of each wildcard, and the nodes that the operators of the pattern matched."""

    values: Mapping[str, Any] = field(default_factory=dict)
    nodes: frozenset[fx.Node] = frozenset()

    def with_wildcard(self, name: str, value: Any) -> Match:
        """This match with one more wildcard filled."""
        return Match({**self.values, name: value}, self.nodes)

    def with_node(self, node: fx.Node) -> Match:
        """This match with one more node inside."""
        return Match(self.values, self.nodes | {node})


def matches(pattern: Any, value: Any, match: Match | None = None) -> Iterator[Match]:
    """Every way in which `pattern` matches `value` (a node, or an argument of one), each a continuation of `match`."""
    match = match or Match()
    if isinstance(pattern, Wildcard):
        if match.values.get(pattern.name, value) == value:
            yield match.with_wildcard(pattern.name, value)
    elif isinstance(pattern, OperatorPattern):
        if isinstance(value, fx.Node) and value.target is pattern.target:
            args = complete(value.target, value.args, value.kwargs)
            for order in pattern.orders():
                yield from _all_match(order, args, match.with_node(value))
    elif isinstance(pattern, list | tuple):
        if isinstance(value, list | tuple):
            yield from _all_match(pattern, value, match)
    elif pattern == value:
        yield match


def _all_match(patterns: Sequence[Any], values: Sequence[Any], match: Match) -> Iterator[Match]:
    """Every way in which the patterns match the values one by one, whichever orders that takes."""
    if len(patterns) != len(values):
        return
    if not patterns:
        yield match
        return
    for begun in matches(patterns[0], values[0], match):
        yield from _all_match(patterns[1:], values[1:], begun)


def complete(target: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """All arguments of an ATen operator in its schema's order, defaults written out."""
    parameters = target._schema.arguments
    return [*args, *(kwargs.get(p.name, p.default_value) for p in parameters[len(args) :])]
