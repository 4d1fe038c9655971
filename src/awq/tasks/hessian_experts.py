"""A layer's experts by Hessians, one after the other: each by the tokens that chose it in the model as it is stored.

A token counts in proportion to the square of its weight, as an error of the expert does in the output. What an expert
should give is what the original one gives for the same tokens in the original stream, whichever experts they chose
there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from awq.method.error_propagation import correction_for
from awq.method.hessian import COLUMNS, Hessian
from awq.method.shared_input import SharedInput
from awq.stream.activation_statistics import InputStatistics
from awq.stream.expert_linears import ExpertLinears
from awq.stream.malloc_trim import trim_freed_memory

FEWEST_TOKENS = 32
"""An expert that fewer have chosen borrows tokens that chose others."""


@dataclass
class RoutedTokens:
    """What the experts of a layer are called with, batch by batch: hidden states [t,H], choices and weights [t,K]."""

    hidden: list[torch.Tensor] = field(default_factory=list)
    chosen: list[torch.Tensor] = field(default_factory=list)
    weights: list[torch.Tensor] = field(default_factory=list)

    def watch(self, _: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note a call, as a hook before it."""
        for values, given in zip((self.hidden, self.chosen, self.weights), inputs, strict=True):
            values.append(given)


@dataclass(frozen=True)
class OwnTokens:
    """The tokens of one expert: their numbers [n], the weight of each [n], and how many of them chose it."""

    rows: torch.Tensor
    weights: torch.Tensor
    count: int


def tokens_of(number: int, chosen: torch.Tensor, weights: torch.Tensor) -> OwnTokens:
    """The tokens of an expert, among choices and weights [T,K]; borrowed ones too where few have chosen it."""
    rows, choice = torch.where(chosen == number)
    own = weights[rows, choice]
    missing = min(FEWEST_TOKENS, len(chosen)) - len(rows)
    if missing <= 0:
        return OwnTokens(rows, own, len(rows))
    others = torch.where((chosen != number).all(1))[0]
    borrowed = others[torch.linspace(0, len(others) - 1, missing).long()]
    typical = own.mean() if len(own) else torch.ones(())
    return OwnTokens(torch.cat([rows, borrowed]), torch.cat([own, typical.expand(missing)]), len(rows))


@dataclass(frozen=True)
class StreamError:
    """What is wrong with the residual stream behind the layer, to which its experts add.

    Attributes:
        error: original − stored, with the experts as they are at the time, float32 [T,H].
        weights: the square root of the weight of each token's error, [T].
    """

    error: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class HessianExperts:
    """Quantizes the experts of a layer.

    Attributes:
        experts: with the original weights, under the scale of the norm before them.
        original: what they read in the original stream, under that scale, float32 [T,H].
        routed: what they are called with in the stored stream.
        stream: the error that down layers can take away; None if there is no such stream.
        parts: of the method.
        scale: searches and applies the scale of an expert's up and down layers, by the name of the latter in `experts`
            and statistics of what it reads.
        quantize: quantizes a linear layer by its name in `experts`, and leaves it so.
    """

    experts: ExpertLinears
    original: torch.Tensor
    routed: RoutedTokens
    stream: StreamError | None
    parts: frozenset[str]
    scale: Callable[[str, InputStatistics], None]
    quantize: Callable[[str, SharedInput], None]

    def quantized(self) -> dict[str, int]:
        """Quantize each expert; returns their names in `experts`, and how many tokens chose each."""
        hidden, chosen, weights = (torch.cat(values) for values in vars(self.routed).values())
        counts = {}
        for number, (gate, _, _) in enumerate(self.experts.linears):
            own = tokens_of(number, chosen, weights)
            self._quantize_expert(number, own, hidden[own.rows])
            counts[gate.rpartition(".")[0]] = own.count
            trim_freed_memory()
        return counts

    def _quantize_expert(self, number: int, own: OwnTokens, x: torch.Tensor) -> None:
        """Quantize one expert by its tokens, as which it reads `x` [n,H]."""
        gate, up, down = self.experts.linears[number]
        target, weights = self.original[own.rows], own.weights[:, None]
        self.scale(down, _statistics(self.experts.middle(number, target)))
        middle, before = self.experts.middle(number, target), self.experts.expert(number, x)
        shared = self._shared_input(x * weights, target * weights)
        self.quantize(gate, shared)
        self.quantize(up, shared)
        x = self.experts.middle(number, x)
        if self.stream is None or own.count < len(own.rows):
            self.quantize(down, self._shared_input(x * weights, middle * weights))
            return
        linear, root = self.experts.get_submodule(down), self.stream.weights[own.rows, None]
        error = self.stream.error[own.rows] + (before - linear(x)) * weights
        shared = self._shared_input(x * weights * root, error * root, linear.out_features)
        before = linear(x)
        self.quantize(down, shared)
        self.stream.error[own.rows] = error + (before - linear(x)) * weights

    def _shared_input(self, x: torch.Tensor, other: torch.Tensor, outputs: int | None = None) -> SharedInput:
        """What quantizing layers that read `x` [n,K] needs; `other` tells of the error as for `Correction`."""
        hessian, correction = Hessian.empty(x.shape[1], x.device), None
        hessian.accumulate(x)
        if "propagation" in self.parts:
            correction = correction_for(x.shape[1], outputs, x.device)
            correction.accumulate(x, other)
        return SharedInput(hessian, correction, "range" in self.parts, "rounding" in self.parts)


def _statistics(x: torch.Tensor) -> InputStatistics:
    found = InputStatistics.empty(x.shape[1], math.gcd(x.shape[1], COLUMNS), x.device)
    found.accumulate(x)
    return found
