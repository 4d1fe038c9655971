"""One decoder layer: observed, scaled, clipped, rounded, packed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from awq.clip_search import may_clip
from awq.half import as_float16
from awq.observation import Arguments, InputStatistics, observe, record
from awq.packed_weight import round_parts, stored
from awq.recipe import Recipe
from awq.rounding import Scheme
from awq.safetensors_file import Array
from awq.scale_groups import LayerPlan, apply_scale, output_peaks
from awq.scale_search import best_scale

Statistics = dict[str, InputStatistics]


@dataclass(frozen=True)
class LayerTask:
    """A decoder layer with its weights in it, and the start of its tensors' names, such as "model.layers.0."."""

    layer: nn.Module
    prefix: str
    recipe: Recipe

    def quantized_linears(self) -> dict[str, Scheme]:
        """Names within the layer of the linear layers to quantise, and how; raises `SettingError`."""
        return {
            name: self.recipe.config.scheme(self.prefix + name, module.out_features, module.in_features)
            for name, module in self.layer.named_modules()
            if isinstance(module, nn.Linear) and not self.recipe.config.skips(self.prefix + name)
        }

    def calibrate(self, plan: LayerPlan, arguments: Arguments) -> tuple[torch.Tensor, Statistics]:
        """Scale the layer's weights; return its original output and, by linear layer, its new inputs' statistics."""
        schemes = self.quantized_linears()
        shared = {linear: names[0] for names in plan.inputs for linear in names}  # who reads the same, is observed once
        leaders = {shared.get(name, name): scheme for name, scheme in schemes.items()}
        device = arguments.hidden.device
        seen = {
            name: InputStatistics.empty(self.layer.get_submodule(name).in_features, scheme.group_size, device)
            for name, scheme in leaders.items()
        }
        output = observe(self.layer, seen, arguments, self.recipe.batch)
        statistics = {name: seen[shared.get(name, name)] for name in schemes}
        self._scale(plan, arguments.take(slice(None, None, self.recipe.search_step)), statistics, schemes)
        return output, statistics

    def _scale(self, plan: LayerPlan, replayed: Arguments, statistics: Statistics, schemes: dict[str, Scheme]) -> None:
        """Search and apply the scale of each group in turn, keeping `statistics` true."""
        calls = record(self.layer, (group.inspect for group in plan.groups), replayed)
        for group in plan.groups:
            names = [name for name in group.linears if name in schemes]
            if not names:
                continue
            found = statistics[names[0]]
            scale = best_scale(
                self.layer.get_submodule(group.inspect),
                [self.layer.get_submodule(name) for name in names],
                calls[group.inspect],
                found.magnitude / found.tokens,
                output_peaks(self.layer, group, len(found.magnitude)),
                schemes[names[0]],
                self.recipe.duo_scaling,
            )
            apply_scale(self.layer, group, scale)
            statistics.update(dict.fromkeys(names, found.scaled(scale)))

    def packed(self, statistics: Statistics | None = None) -> dict[str, Array]:
        """The layer's tensors as they are stored: packed linears, everything else float16.

        With `statistics` weights are clipped to suit them.
        """
        result: dict[str, Array] = {}
        schemes = self.quantized_linears()
        for name, scheme in schemes.items():
            clip = statistics is not None and self.recipe.apply_clip and may_clip(name)
            moments = statistics[name].moments if statistics is not None and clip else None
            weight = self.layer.get_submodule(name).weight.data
            parts = round_parts([weight], scheme, moments)
            result |= stored(self.prefix + name, parts, scheme, self.recipe.config.format)
        quantized = {f"{name}.weight" for name in schemes}
        rest = {self.prefix + name: t for name, t in self.layer.state_dict().items() if name not in quantized}
        return result | {name: as_float16(name, np.asarray(t.cpu())) for name, t in rest.items()}
