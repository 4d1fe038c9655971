"""The sensitivity of linear layers: the error from rounding some alone, measured in one pass of the original model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from awq.method.layer_structure import LayerStructure
from awq.method.rounding import round_to_nearest
from awq.method.rounding_errors import sampling_step, stream_error
from awq.recipe import Recipe
from awq.run.mixed_precision import Candidate
from awq.stream.activation_statistics import LayerArguments
from awq.stream.layerwise_pass import InsertedImages, LastHidden, layerwise_pass
from awq.stream.malloc_trim import trim_freed_memory
from awq.stream.meta_model import MetaModel
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.hessian_layer import HessianLayer
from awq.tasks.linear_layers import LinearLayer
from awq.tasks.lm_head import HeadTask
from awq.tasks.rounding_effects import rounding_effects
from awq.work.activation_cache import ActivationCache

Finder = Callable[[int, LayerArguments], LayerStructure]
Effects = dict[tuple[str, ...], float]  # by full names
SEPARATOR = " "


@dataclass
class SensitivityAnalysis:
    """Measures the linear layers that `recipe` quantizes.

    Attributes:
        model: the model.
        recipe: how they are rounded; its samples are whole.
        find_structure: finds the plan of a layer by its number and arguments.
        cache: for what a layer reads.
        report: called before each layer with what is being done.
        inserted: images among the samples.
    """

    model: MetaModel
    recipe: Recipe
    find_structure: Finder
    cache: ActivationCache
    report: Callable[[str], object]
    inserted: InsertedImages | None = None

    def effects(self) -> Effects:
        """The relative squared error that each leaves in its decoder layer's output, the head's in the logits."""
        found: Effects = {}

        def visit(index: int, layer: nn.Module, arguments: LayerArguments) -> torch.Tensor:
            self.report(f"sensitivity of layer {index + 1} of {len(self.model.layers)}")
            task = LayerTask(layer, self.model.prefixes[index], self.recipe)
            hessian_layer = HessianLayer(task, self.find_structure(index, arguments), self.cache, lambda step: None)
            for names, effect in rounding_effects(hessian_layer, arguments).items():
                found[tuple(task.prefix + name for name in names)] = effect
            trim_freed_memory()
            return arguments.hidden

        last = layerwise_pass(self.model, self.recipe.samples, visit, inserted=self.inserted)
        if self.recipe.config.lm_head_enable:
            found[(self.model.head,)] = self._head_effect(last)
        return found

    def _head_effect(self, last: LastHidden) -> float:
        """Likewise for evenly spread rows of the head on the first batch of samples; logits count less their mean."""
        task = HeadTask(self.model, self.recipe)
        rows = task.read_rows(slice(None, None, sampling_step(task.shape[0])))
        hidden = last.hidden[: self.recipe.batch]
        original, rounded = hidden @ rows.T, hidden @ round_to_nearest(rows, task.scheme()).T
        return stream_error(original - original.mean(-1, keepdim=True), rounded - rounded.mean(-1, keepdim=True))


def as_candidates(effects: Mapping[str, float], linears: Iterable[LinearLayer]) -> Iterator[Candidate]:
    """The candidates for higher precision, from the effects by joined names."""
    found = {linear.name: linear for linear in linears}
    for joined, effect in effects.items():
        names = tuple(joined.split(SEPARATOR))
        scheme = found[names[0]].scheme
        assert scheme is not None  # only what is quantized was measured
        yield Candidate(names, effect, sum(found[name].weights for name in names), scheme)
