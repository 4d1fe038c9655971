"""A decoder layer by Hessians: scales searched on the original's inputs, then its linear layers quantized in order.

Two streams of hidden states go through the layer: the original model's, and that of the model as it is stored so far.
Linear layers that share an input are quantized together. The Hessian of their input is taken from the stored stream
with all linear layers before them quantized, and their weights are corrected toward what the original stream gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from awq.method.bfloat16_products import tiled_products
from awq.method.error_propagation import correction_for
from awq.method.hessian import COLUMNS, Hessian
from awq.method.layer_structure import LayerStructure, apply_scale, output_magnitudes
from awq.method.packed_weight import packed_tensors
from awq.method.rounding import round_to_nearest
from awq.method.rounding_errors import LAYER, RelativeError, sampling_step, stream_error
from awq.method.scale_search import best_scale, moment_error
from awq.method.shared_input import SharedInput, row_parts
from awq.stream.activation_statistics import InputStatistics, LayerArguments, hooked
from awq.stream.malloc_trim import trim_freed_memory
from awq.tasks.decoder_layer import LayerTask
from awq.work.activation_cache import ActivationCache
from hf_checkpoint.safetensors_file import Array

LEAST = 1e-3  # of the median of the tokens' mean squares


class _InputReached(Exception):  # noqa: N818
    """The layer has come to a linear layer, and what comes after its input is not needed."""


@dataclass
class HessianLayer:
    """Quantizes the layer of `task`.

    Attributes:
        task: the layer, with the original weights in it.
        structure: which of its linear layers share an input, and what can be scaled.
        cache: where the original stream's inputs are kept.
        report: called before each step with its name.
        scales: the scale of each shared input that has one, by the name of the first linear layer that reads it.
        errors: relative errors of the quantized linear layers, by name within the layer; under `LAYER` the stream's.
    """

    task: LayerTask
    structure: LayerStructure
    cache: ActivationCache
    report: Callable[[str], object]
    scales: dict[str, torch.Tensor] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """The device that the layer is on."""
        return next(self.layer.parameters()).device

    @property
    def layer(self) -> nn.Module:
        """The decoder layer."""
        return self.task.layer

    def quantized(self, streams: LayerArguments, samples: int) -> dict[str, Array]:
        """Quantize; returns the tensors to store, and leaves the layer as they have it.

        Args:
            streams: hidden states of the original stream, `samples` of them, then of the stored one if there is error
                propagation; they become those behind the layer, in place.
            samples: how many texts there are.
        """
        original, present = streams.take(slice(0, samples)), streams.take(slice(samples, None))
        sharing = self._sharing()
        self.report("scales")
        self._scale(self._collect_statistics(original, [names[0] for names in sharing]), sharing)
        self.task.round_unquantized_tensors()
        tensors: dict[str, Array] = {}
        for names in sharing:
            self.report(names[0])
            shared = self._shared_input(names, original, present)
            for name in names:
                self.report(name)
                tensors |= self._quantize_linear(name, shared)
            del shared
            trim_freed_memory()
        self._advance(present)
        if len(present.hidden):
            self.errors[LAYER] = stream_error(original.hidden, present.hidden)
        self.cache.clear()
        return tensors | self.task.unquantized_tensors()

    def effects(self, original: LayerArguments) -> dict[tuple[str, ...], float]:
        """The error in the layer's output from rounding each group of linear layers that share an input alone.

        Rounding is to nearest, after the search for scales.

        Args:
            original: the original stream; its hidden states become those behind the layer, in place.

        Returns:
            The `stream_error` of the first batch of samples, by the names of the linear layers.
        """
        few = original.take(slice(0, self.task.recipe.batch))
        few = replace(few, hidden=few.hidden.clone())
        sharing = self._sharing()
        self._scale(self._collect_statistics(original, [names[0] for names in sharing]), sharing)
        self.cache.clear()
        reference = few.call(self.layer)
        return {tuple(names): self._effect(names, few, reference) for names in sharing}

    def _effect(self, names: list[str], few: LayerArguments, reference: torch.Tensor) -> float:
        """The `stream_error` against the `reference` [n, T, H] when `names` are rounded to nearest."""
        linears = {name: self.layer.get_submodule(name) for name in names}
        kept = {name: linear.weight.data for name, linear in linears.items()}
        for name, linear in linears.items():
            linear.weight.data = round_to_nearest(kept[name], self.task.schemes[name])
        error = stream_error(reference, few.call(self.layer))
        for name, linear in linears.items():
            linear.weight.data = kept[name]
        return error

    def _sharing(self) -> list[list[str]]:
        """The linear layers to quantize, those that share an input together, in order of use."""
        quantized = self.task.schemes
        return [names for linears in self.structure.shared_inputs if (names := [n for n in linears if n in quantized])]

    def _advance(self, stream: LayerArguments) -> None:
        """Take a stream through the layer as it is now."""
        with tiled_products():
            for rows, batch in self._batches(stream):
                stream.hidden[rows] = batch.call(self.layer)

    def _batches(self, arguments: LayerArguments) -> Iterator[tuple[slice, LayerArguments]]:
        """The samples, some at a time."""
        batch = self.task.recipe.batch
        for start in range(0, len(arguments.hidden), batch):
            rows = slice(start, start + batch)
            yield rows, arguments.take(rows)

    def _collect_statistics(self, original: LayerArguments, leaders: list[str]) -> dict[str, InputStatistics]:
        """Take the original stream through the layer; shared inputs go to the cache, and into their statistics."""
        linears = {name: self.layer.get_submodule(name) for name in leaders}
        seen = {
            name: InputStatistics.empty(linear.in_features, math.gcd(linear.in_features, COLUMNS), self.device)
            for name, linear in linears.items()
        }

        def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
            def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
                x = inputs[0].flatten(0, -2)
                seen[name].accumulate(x)
                self.cache.append(name, x)

            return hook

        with hooked(linear.register_forward_pre_hook(watch(name)) for name, linear in linears.items()):
            self._advance(original)
        return seen

    def _scale(self, statistics: dict[str, InputStatistics], sharing: list[list[str]]) -> None:
        """Search and apply the scale of each group."""
        leaders = {name: names[0] for names in sharing for name in names}
        for group in self.structure.scale_groups if "scale" in self.task.recipe.parts else ():
            names = [name for name in group.linears if name in leaders]
            if not names:
                continue
            found, scheme = statistics[leaders[names[0]]], self.task.schemes[names[0]]
            linears = [self.layer.get_submodule(name) for name in names]
            largest = output_magnitudes(self.layer, group, len(found.magnitude))
            error = moment_error(linears, found.moments, scheme)
            scale = best_scale(linears, found.mean, largest, scheme, error, self.task.recipe.duo_scaling)
            apply_scale(self.layer, group, scale)
            self.scales[leaders[names[0]]] = scale

    def _shared_input(self, names: list[str], original: LayerArguments, present: LayerArguments) -> SharedInput:
        """Collect what quantizing the layers `names`, which share an input, needs."""
        leader, parts = self.layer.get_submodule(names[0]), self.task.recipe.parts
        adds = names[0] in self.structure.residual
        hessian = Hessian.empty(leader.in_features, self.device)
        correction = None
        if "propagation" in parts:
            outputs = leader.out_features if adds else None
            correction = correction_for(leader.in_features, outputs, self.device)
        weights = _token_weights(original.hidden) if adds else None
        cached = self.cache.batches(names[0], self.task.recipe.batch * original.hidden.shape[1])
        for (rows, batch), target in zip(self._batches(original), cached, strict=True):
            target /= self.scales.get(names[0], 1.0)
            root = 1.0 if weights is None else weights[rows].reshape(-1, 1)
            if correction is None:
                hessian.accumulate(target * root)
                continue
            x, output = self._reach(leader, present.take(rows), through=adds)
            x = x * root
            hessian.accumulate(x)
            correction.accumulate(x, (batch.hidden - output).flatten(0, -2) * root if output is not None else target)
        return SharedInput(hessian, correction, "range" in parts, "rounding" in parts)

    def _reach(
        self, linear: nn.Module, batch: LayerArguments, through: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The input of `linear`, [tokens, K], and the layer's output [n, T, H], None unless `through`."""
        found = []

        def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            found.append(inputs[0].flatten(0, -2))
            if not through:
                raise _InputReached

        with hooked([linear.register_forward_pre_hook(hook)]), tiled_products():
            try:
                output = batch.call(self.layer)
            except _InputReached:
                output = None
        return found[0], output

    def _quantize_linear(self, name: str, shared: SharedInput) -> dict[str, Array]:
        """Quantize one linear layer, give it the dequantized weight, and return the tensors to store."""
        linear, scheme = self.layer.get_submodule(name), self.task.schemes[name]
        quantized = shared.quantize(linear.weight.data, scheme)
        sampled = slice(None, None, sampling_step(linear.out_features))
        before = linear.weight.data[sampled].clone()
        for rows in row_parts(linear.out_features, linear.in_features):
            linear.weight.data[rows] = quantized.select_rows(rows).dequantize()
        error = RelativeError(shared.hessian)
        error.accumulate(before, linear.weight.data[sampled])
        self.errors[name] = error.share
        parts = (quantized.select_rows(rows) for rows in row_parts(linear.out_features, linear.in_features))
        return packed_tensors(self.task.prefix + name, parts, scheme, self.task.recipe.config.format)


def _token_weights(hidden: torch.Tensor) -> torch.Tensor:
    """The square root of the weight that each token's error in the stream has, float32 [n, T], for `hidden` [n, T, H].

    The stream is normalized before it is read, so an error counts in proportion to the token's own size. Some tokens,
    such as the first, are a thousand times larger than others (Sun et al., arXiv 2402.17762) and would decide alone.
    So would one that the embedding makes zeros of: a token counts as at least `LEAST` times the median one.
    """
    size = hidden.square().mean(-1)
    positive = size[size > 0]
    size = size.clamp(min=float(positive.median()) * LEAST if len(positive) else 1.0)
    return (size.log().mean() - size.log()).mul(0.5).exp()
