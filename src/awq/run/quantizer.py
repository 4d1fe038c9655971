"""The run: every decoder layer, then what surrounds them, each part written as soon as it is done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from awq.calibration.image_embeddings import inserted_images
from awq.method.layer_structure import LayerStructure
from awq.method.rounding_errors import as_part, from_part
from awq.recipe import Recipe
from awq.run.mixed_precision import chosen, with_overrides
from awq.run.progress_by_cost import ProgressByCost
from awq.run.sensitivity import SEPARATOR, SensitivityAnalysis, as_candidates
from awq.run.step_costs import SCALES, STORING, costs
from awq.stream.activation_statistics import LayerArguments
from awq.stream.expert_structure import find_layer_structure
from awq.stream.layerwise_pass import InsertedImages, LastHidden, PassedLayers, layerwise_pass
from awq.stream.malloc_trim import trim_freed_memory
from awq.stream.meta_model import MetaModel
from awq.tasks.autoawq_layer import AutoAwqLayer
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.hessian_layer import HessianLayer
from awq.tasks.linear_layers import linear_layers
from awq.tasks.lm_head import HeadTask
from awq.tasks.vision_tower import TowerTask, float16_blocks
from awq.work.activation_cache import ActivationCache
from awq.work.part_names import (
    EFFECTS,
    HIDDEN,
    IMAGES,
    REST,
    errors_part,
    hidden_part,
    layer_part,
    tokens_part,
    vision_part,
)
from awq.work.work_folder import WorkFolder
from hf_checkpoint.finite_check import as_float16
from hf_checkpoint.safetensors_file import Array, Blocks
from tyllm_base.errors import UnsupportedError
from tyllm_base.progress import Progress


@dataclass
class Quantizer:
    """Quantizes the checkpoint of `model` by `recipe` into parts in `work`; parts already there are kept."""

    model: MetaModel
    recipe: Recipe
    work: WorkFolder
    progress: Progress
    plans: dict[tuple[object, ...], LayerStructure] = field(default_factory=dict)
    inserted: InsertedImages | None = None  # images among the samples

    def parts(self) -> list[str]:
        """The names of all parts, in the order in which they are stored."""
        tower = (vision_part(index) for index, _ in enumerate(self._tower().units()))
        return [*tower, *(layer_part(index) for index in range(len(self.model.layers))), REST]

    def run(self) -> None:
        """Finish every part; a budget of bits becomes overrides in the recipe's config first.

        Raises:
            SettingError: the group size does not divide, or the budget is too small.
            CheckpointError: a weight is NaN, infinite or beyond float16.
            UnsupportedError: the layers' weights are not in linear layers.
            OutputError: the work folder cannot be written.
        """
        self.check()
        if not self.work.has(REST):
            self.inserted = inserted_images(self.recipe.images, self.model, self.work, self.progress)
        if self.recipe.bits_per_weight is not None:
            self.recipe = self._within(self.recipe.bits_per_weight)
        meter = ProgressByCost(self.progress, costs(self.model, self.recipe))
        self._store_tower(meter)
        if not self.work.has(REST):
            last = None if self.recipe.method == "rtn" else self._walk(meter)
            if last is None:
                self._round_layers(meter)
            self._finish_rest(last, meter)
        self.work.drop(hidden_part(len(self.model.layers)))
        self.work.drop(IMAGES)
        meter.finish()

    def _walk(self, meter: ProgressByCost) -> LastHidden:
        """Quantize the layers, from the first on that is not done."""
        done = 0
        while done < len(self.model.layers) and self.work.has(layer_part(done)):
            done += 1
        reached = None
        if done and self.work.has(hidden_part(done)):
            hidden = torch.from_numpy(self.work.read_tensor(hidden_part(done), HIDDEN)).to(self.model.device)
            reached = PassedLayers(done, hidden)
        samples = self.recipe.samples.repeat(self.recipe.streams, 1)

        def visit(index: int, layer: nn.Module, arguments: LayerArguments) -> torch.Tensor:
            return self._quantize(index, arguments, meter)

        return layerwise_pass(self.model, samples, visit, reached, self.inserted)

    def check(self) -> None:
        """Raise what `run` would raise about shapes."""
        self._tower().check()
        for index, layer in enumerate(self.model.layers):
            _ = self._task(index).schemes
            inside = sum(m.weight.numel() for m in layer.modules() if isinstance(m, nn.Linear))
            if 2 * inside < sum(p.numel() for p in layer.parameters()):
                raise UnsupportedError(
                    f"{type(layer).__name__} keeps most of its weights outside linear layers (in {_largest(layer)}), "
                    "and only those are quantized; compile the checkpoint as it is, or choose another model."
                )
        if self.recipe.config.lm_head_enable:
            HeadTask(self.model, self.recipe).scheme()

    def _within(self, budget: float) -> Recipe:
        """The recipe with the overrides that a budget of bits allows; what was measured waits in the work folder."""
        if not self.work.has(EFFECTS):
            cache = ActivationCache(self.work.path, self.model.device)
            tell = partial(self.progress, 0, 1)
            analysis = SensitivityAnalysis(self.model, self.recipe, self._plan, cache, tell, self.inserted)
            self.work.write_part(
                EFFECTS, as_part({SEPARATOR.join(names): e for names, e in analysis.effects().items()})
            )
        candidates = as_candidates(from_part(self.work.file(EFFECTS)), linear_layers(self.model, self.recipe))
        overrides = chosen(candidates, self.recipe.config, budget)
        return replace(self.recipe, config=with_overrides(self.recipe.config, overrides), bits_per_weight=None)

    def _tower(self) -> TowerTask:
        """The task of the vision tower, empty without one."""
        return TowerTask(self.model, self.recipe)

    def _store_tower(self, meter: ProgressByCost) -> None:
        """Write the vision tower."""
        for index, (name, _) in enumerate(self._tower().units()):
            part = vision_part(index)
            meter.report((part, STORING), name)
            if not self.work.has(part):
                tensors, errors = self._tower().tensors(name)
                self.work.write_part(errors_part(part), as_part(errors))
                self.work.write_part(part, tensors)
                trim_freed_memory()

    def _task(self, index: int) -> LayerTask:
        """The task of one layer."""
        return LayerTask(self.model.layers[index], self.model.prefixes[index], self.recipe)

    def _name(self, index: int) -> str:
        """A layer's name in reports."""
        return f"layer {index + 1} of {len(self.model.layers)}"

    def _quantize(self, index: int, arguments: LayerArguments, meter: ProgressByCost) -> torch.Tensor:
        """Quantize a layer; the streams' hidden states behind it wait on disk for a run that goes on here."""
        part = layer_part(index)
        meter.report((part, SCALES), self._name(index))
        task, plan = self._task(index), self._plan(index, arguments)
        if self.recipe.method == "tyllm":
            cache = ActivationCache(self.work.path, self.model.device)
            hessian_layer = HessianLayer(
                task, plan, cache, lambda step: meter.report((part, step), f"{self._name(index)}, {step}")
            )
            tensors, output = hessian_layer.quantized(arguments, len(self.recipe.samples)), arguments.hidden
            self.work.write_part(errors_part(part), as_part(hessian_layer.errors))
            tokens = hessian_layer.tokens
        else:
            awq_layer = AutoAwqLayer(task, plan)
            output, tensors = awq_layer.quantized(arguments)
            tokens = awq_layer.tokens
        if tokens:
            self.work.write_part(tokens_part(part), as_part(tokens))
        self.work.write_part(hidden_part(index + 1), {HIDDEN: output.cpu().numpy()})
        self.work.write_part(part, tensors)
        self.work.drop(hidden_part(index))
        trim_freed_memory()
        return output

    def _plan(self, index: int, arguments: LayerArguments) -> LayerStructure:
        """The layer's plan, found once for all layers of the same kind; leaves the layer's weights as they are."""
        layer = self.model.layers[index]
        kind = (type(layer), *((name, tuple(p.shape)) for name, p in layer.named_parameters()))
        if kind not in self.plans:
            one = arguments.take(slice(0, 1))
            noise = torch.randn(one.hidden.shape, generator=torch.Generator().manual_seed(2))
            random = replace(one, hidden=noise.to(one.hidden))
            self.plans[kind] = find_layer_structure(layer, lambda: random.call(layer))
            self.model.fill(layer, self.model.prefixes[index])
        return self.plans[kind]

    def _round_layers(self, meter: ProgressByCost) -> None:
        """Round every layer to nearest."""
        for index, layer in enumerate(self.model.layers):
            part, task = layer_part(index), self._task(index)
            meter.report((part, SCALES), self._name(index))
            if not self.work.has(part):
                self.model.fill(layer, self.model.prefixes[index])
                self.work.write_part(errors_part(part), as_part(task.rounding_errors()))
                self.work.write_part(part, task.quantized_to_nearest())
                self.model.empty(layer)
                trim_freed_memory()

    def _finish_rest(self, last: LastHidden | None, meter: ProgressByCost) -> None:
        """Write what is outside the layers: the head as the recipe wants it, everything else float16."""
        what = "embedding and head"
        meter.report((REST, ""), what)
        head: dict[str, Array] = {}
        names = self.model.surroundings() + self._head_tensors()
        if self.recipe.config.lm_head_enable:
            task = HeadTask(self.model, self.recipe, lambda share: meter.report((REST, ""), what, share))
            head = self._head(task, last)
            self.work.write_part(errors_part(REST), as_part(task.errors))
            names = [name for name in names if name != f"{self.model.head}.weight"]
        self.work.write_part(REST, {name: self._float16_tensor(name, last) for name in names} | head)

    def _head(self, task: HeadTask, last: LastHidden | None) -> dict[str, Array]:
        """The quantized head."""
        if last is None:
            return task.quantized_to_nearest()
        if self.recipe.method == "awq":
            return task.quantized_by_replay(last)
        return task.quantized_by_hessian(last, len(self.recipe.samples))

    def _head_tensors(self) -> list[str]:
        """The head's own tensors in the checkpoint."""
        own = [name for name in self.model.module.state_dict() if name.startswith(f"{self.model.head}.")]
        return [name for name in own if not (self.model.tied and name == f"{self.model.head}.weight")]

    def _float16_tensor(self, name: str, last: LastHidden | None) -> Array | Blocks:
        """A tensor in float16: the final norm from the model, which may have scaled it, others from the checkpoint."""
        if last is not None and last.norm is not None and name.startswith(f"{last.norm}."):
            return as_float16(name, np.asarray(self.model.module.get_parameter(name).data.cpu()))
        return float16_blocks(self.model, name)


def _largest(layer: nn.Module) -> str:
    """The class of the module that has most weights of its own."""
    return type(max(layer.modules(), key=lambda m: sum(p.numel() for p in m.parameters(recurse=False)))).__name__
