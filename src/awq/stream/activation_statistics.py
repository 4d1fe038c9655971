"""Activations of the calibration text in a decoder layer: statistics of inputs of linear layers, recorded calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from awq.method.scale_search import RecordedCall, first


@dataclass
class InputStatistics:
    """Sums over the tokens seen by a linear layer with K inputs in groups of g.

    Attributes:
        magnitude: sum of |x|, float32 [K].
        moments: sum of x·xᵀ within each group, float32 [K/g, g, g].
        tokens: how many tokens were summed.
    """

    magnitude: torch.Tensor
    moments: torch.Tensor
    tokens: int = 0

    @classmethod
    def empty(cls, inputs: int, group_size: int, device: torch.device) -> InputStatistics:
        """Statistics of no tokens yet."""
        groups = inputs // group_size
        return cls(torch.zeros(inputs, device=device), torch.zeros(groups, group_size, group_size, device=device))

    def accumulate(self, x: torch.Tensor) -> None:
        """Add the tokens of `x`, float32 [..., K]."""
        x = x.reshape(-1, x.shape[-1])
        groups = x.unflatten(1, self.moments.shape[:2]).transpose(0, 1)  # [G, tokens, g]
        self.magnitude += x.abs().sum(0)
        self.moments.baddbmm_(groups.transpose(1, 2), groups)
        self.tokens += len(x)

    @property
    def mean(self) -> torch.Tensor:
        """Mean magnitude of each input, float32 [K]."""
        return self.magnitude / self.tokens

    def scaled(self, scale: torch.Tensor) -> InputStatistics:
        """The statistics of x / scale, for a scale float32 [K]."""
        groups = scale.unflatten(0, self.moments.shape[:2])
        moments = self.moments / (groups[:, :, None] * groups[:, None, :])
        return InputStatistics(self.magnitude / scale, moments, self.tokens)


def mean_magnitude(parts: Collection[InputStatistics]) -> torch.Tensor:
    """Mean magnitude, float32 [K], over the tokens of some linear layers with as many inputs."""
    total = sum((part.magnitude for part in parts), start=torch.zeros(()))
    return total / sum(part.tokens for part in parts)


class OtherArguments(NamedTuple):
    """What a family passes to a decoder layer behind the hidden states, by place and by name."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class LayerArguments:
    """The arguments of a decoder layer: hidden states float32 [n, T, H] first, then whatever the family passes.

    Attributes:
        hidden: of all samples.
        other: the rest, of all samples.
        one: the rest of a single sample. Where a tensor is longer in `other`, there lie the samples: on any axis, with
            one entry each or with several (BLOOM's ALiBi is [n · heads, 1, T]).
    """

    hidden: torch.Tensor
    other: OtherArguments
    one: OtherArguments

    def take(self, rows: slice) -> LayerArguments:
        """The arguments for the samples `rows` only."""
        return LayerArguments(self.hidden[rows], _take(self.other, self.one, rows), self.one)

    def call(self, layer: nn.Module) -> torch.Tensor:
        """The layer's output hidden states, float32 [n, T, H]."""
        return first(layer(self.hidden, *self.other.args, **self.other.kwargs))


def _take(value: Any, one: Any, rows: slice) -> Any:
    """`value` with every tensor cut to the samples `rows` that is longer than that of `one` sample."""
    if isinstance(value, torch.Tensor):
        axis = next((i for i, size in enumerate(one.shape) if value.shape[i] != size), None)
        if axis is None:
            return value
        by_sample = value.unflatten(axis, (-1, one.shape[axis])).movedim(axis, 0)[rows]
        return by_sample.movedim(0, axis).flatten(axis, axis + 1)
    if isinstance(value, dict):
        return {key: _take(item, one[key], rows) for key, item in value.items()}
    if isinstance(value, OtherArguments):
        return OtherArguments(_take(value.args, one.args, rows), _take(value.kwargs, one.kwargs, rows))
    if type(value) in (tuple, list):
        return type(value)(_take(*pair, rows) for pair in zip(value, one, strict=True))
    return value


def forward(layer: nn.Module, arguments: LayerArguments, batch: int) -> torch.Tensor:
    """The layer's output for all samples, float32 [n, T, H], computed `batch` samples at a time."""
    starts = range(0, len(arguments.hidden), batch)
    return torch.cat([arguments.take(slice(start, start + batch)).call(layer) for start in starts])


def collect_statistics(
    layer: nn.Module, statistics: dict[str, InputStatistics], arguments: LayerArguments, batch: int
) -> torch.Tensor:
    """The output of `forward`, float32 [n, T, H]; adds the inputs of the linear layers in `statistics` to them."""

    def watch(found: InputStatistics) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        return lambda _, inputs: found.accumulate(inputs[0])

    with hooked(layer.get_submodule(name).register_forward_pre_hook(watch(s)) for name, s in statistics.items()):
        return forward(layer, arguments, batch)


def record_calls(layer: nn.Module, names: Iterable[str], arguments: LayerArguments) -> dict[str, RecordedCall]:
    """Run `layer` once and return the call of each of its submodules `names`; "" is the layer itself."""
    calls: dict[str, RecordedCall] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Any], None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            calls[name] = RecordedCall(args, kwargs, first(output))

        return hook

    with hooked(layer.get_submodule(n).register_forward_hook(watch(n), with_kwargs=True) for n in set(names)):
        arguments.call(layer)
    return calls


@contextmanager
def hooked(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """Remove the hooks with these handles when the block ends."""
    handles = list(handles)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
