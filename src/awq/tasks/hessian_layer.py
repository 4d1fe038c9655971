"""A decoder layer by Hessians: scales searched on the original's inputs, then its linear layers quantized in order.

Two streams of hidden states go through the layer: the original model's, and that of the model as it is stored so far.
Linear layers that share an input are quantized together. The Hessian of their input is taken from the stored stream
with all linear layers before them quantized, and their weights are corrected toward what the original stream gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from awq.method.bfloat16_products import tiled_products
from awq.method.error_propagation import correction_for
from awq.method.hessian import COLUMNS, Hessian
from awq.method.layer_structure import LayerStructure, ScaleGroup, apply_scale, output_magnitudes
from awq.method.packed_weight import packed_tensors
from awq.method.rounding_errors import LAYER, RelativeError, sampling_step, stream_error
from awq.method.scale_search import best_scale, moment_error
from awq.method.shared_input import SharedInput, row_parts
from awq.method.token_weights import token_weights
from awq.stream.activation_statistics import InputStatistics, LayerArguments, hooked
from awq.stream.expert_linears import ExpertLinears, experts_in
from awq.stream.malloc_trim import trim_freed_memory
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.hessian_experts import HessianExperts, RoutedTokens, StreamError
from awq.work.activation_cache import ActivationCache
from hf_checkpoint.safetensors_file import Array


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
        tokens: how many tokens chose each expert, by name within the layer.
        routed: what experts were called with in the original stream, by their first linear layer's name.
    """

    task: LayerTask
    structure: LayerStructure
    cache: ActivationCache
    report: Callable[[str], object]
    scales: dict[str, torch.Tensor] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    routed: dict[str, RoutedTokens] = field(default_factory=dict)

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
        self.report("scales")
        sharing = self.search_scales(original)
        self.task.round_unquantized_tensors()
        tensors: dict[str, Array] = {}
        for names in sharing:
            if isinstance(reader := self._reader(names), ExpertLinears):
                tensors |= self._quantize_experts(names, reader, original, present)
                continue
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

    def search_scales(self, original: LayerArguments) -> list[list[str]]:
        """Scale the layer by the original stream, which goes on behind it, in place; returns what shares an input."""
        sharing = self._sharing()
        self._scale(self._collect_statistics(original, sharing), sharing)
        return sharing

    def _sharing(self) -> list[list[str]]:
        """The linear layers to quantize, those that share an input together, in order of use.

        Experts are together with all of their linear layers, before what else reads their input and can make up for
        them.
        """
        result: dict[object, list[str]] = {}
        for linears in self.structure.shared_inputs:
            if names := [name for name in linears if name in self.task.schemes]:
                result.setdefault(self._reader(names), []).extend(names)
        return list(result.values())

    def _reader(self, names: list[str]) -> nn.Module:
        """The module that reads the input that `names` share: the experts that they belong to, or the first."""
        owners = (each for name, each in experts_in(self.layer).items() if names[0].startswith(f"{name}."))
        return next(owners, self.layer.get_submodule(names[0]))

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

    def _collect_statistics(self, original: LayerArguments, sharing: list[list[str]]) -> dict[str, InputStatistics]:
        """Take the original stream through the layer; shared inputs go into their statistics, and are kept."""
        seen, hooks = {}, []
        for names in sharing:
            reader, inputs = self._reader(names), self.layer.get_submodule(names[0]).in_features
            seen[names[0]] = InputStatistics.empty(inputs, math.gcd(inputs, COLUMNS), self.device)
            hooks.append(reader.register_forward_pre_hook(self._watch(names[0], seen[names[0]])))
        with hooked(hooks):
            self._advance(original)
        return seen

    def _watch(self, name: str, statistics: InputStatistics) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            x = inputs[0].flatten(0, -2)
            statistics.accumulate(x)
            if isinstance(module, ExpertLinears):
                self.routed.setdefault(name, RoutedTokens()).watch(module, inputs)
            else:
                self.cache.append(name, x)

        return hook

    def _scale(self, statistics: dict[str, InputStatistics], sharing: list[list[str]]) -> None:
        """Search and apply the scale of each group, but those within an expert."""
        leaders = {name: names[0] for names in sharing for name in names}
        for group in self.structure.scale_groups:
            names = [name for name in group.linears if name in leaders]
            if names and not isinstance(self._reader([group.before]), ExpertLinears):
                scale = self._scale_group(group, names, statistics[leaders[names[0]]])
                self.scales |= {leaders[name]: scale for name in names}

    def _scale_group(self, group: ScaleGroup, names: list[str], found: InputStatistics) -> torch.Tensor:
        """Search and apply the scale of one group, of which `names` are quantized."""
        if "scale" not in self.task.recipe.parts:
            return torch.ones_like(found.magnitude)
        scheme, linears = self.task.schemes[names[0]], [self.layer.get_submodule(name) for name in names]
        largest = output_magnitudes(self.layer, group, len(found.magnitude))
        error = moment_error(linears, found.moments, scheme)
        scale = best_scale(linears, found.mean, largest, scheme, error, self.task.recipe.duo_scaling)
        apply_scale(self.layer, group, scale)
        return scale

    def _quantize_experts(
        self, names: list[str], experts: ExpertLinears, original: LayerArguments, present: LayerArguments
    ) -> dict[str, Array]:
        """Quantize all experts of the layer, whose linear layers are `names` as far as they are quantized."""
        routed, stream = self.routed.pop(names[0]), None
        target = torch.cat(routed.hidden) / self.scales.get(names[0], 1.0)
        routed.hidden = [target]
        if len(present.hidden):
            routed, error = RoutedTokens(), torch.empty_like(original.hidden)
            adds = not self.structure.residual.isdisjoint(names)
            with hooked([experts.register_forward_pre_hook(routed.watch)]):
                for rows, batch in self._batches(present):
                    _, output = self._reach(experts, batch, through=adds)
                    error[rows] = original.hidden[rows] - output if output is not None else 0
            if adds:
                stream = StreamError(error.flatten(0, -2), token_weights(original.hidden).flatten())
        within = {group.linears[0]: group for group in self.structure.scale_groups}
        prefix = next(name for name, module in experts_in(self.layer).items() if module is experts)

        def scale(name: str, found: InputStatistics) -> None:
            if (group := within.get(f"{prefix}.{name}")) is not None:
                self._scale_group(group, list(group.linears), found)

        def quantize(name: str, shared: SharedInput) -> None:
            if f"{prefix}.{name}" in names:
                self.report(f"{prefix}.{name}")
                tensors.update(self._quantize_linear(f"{prefix}.{name}", shared))

        tensors: dict[str, Array] = {}
        counts = HessianExperts(experts, target, routed, stream, self.task.recipe.parts, scale, quantize).quantized()
        self.tokens |= {f"{prefix}.{name}": count for name, count in counts.items()}
        return tensors

    def _shared_input(self, names: list[str], original: LayerArguments, present: LayerArguments) -> SharedInput:
        """Collect what quantizing the layers `names`, which share an input, needs."""
        leader, parts = self.layer.get_submodule(names[0]), self.task.recipe.parts
        adds = names[0] in self.structure.residual
        hessian = Hessian.empty(leader.in_features, self.device)
        correction = None
        if "propagation" in parts:
            outputs = leader.out_features if adds else None
            correction = correction_for(leader.in_features, outputs, self.device)
        weights = token_weights(original.hidden) if adds else None
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
