"""A decoder layer by AutoAWQ's algorithm: scales searched by replaying calls, then weights clipped and rounded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from awq.method.clip_search import may_clip
from awq.method.layer_structure import LayerStructure, apply_scale, output_magnitudes
from awq.method.scale_search import best_scale, replay_error
from awq.stream.activation_statistics import InputStatistics, LayerArguments, collect_statistics, record_calls
from awq.tasks.decoder_layer import LayerTask
from hf_checkpoint.safetensors_file import Array

Statistics = dict[str, InputStatistics]


@dataclass(frozen=True)
class AutoAwqLayer:
    """Quantizes the layer of `task`, which holds the original weights, by its `structure`."""

    task: LayerTask
    structure: LayerStructure

    @property
    def layer(self) -> nn.Module:
        """The decoder layer."""
        return self.task.layer

    def quantized(self, arguments: LayerArguments) -> tuple[torch.Tensor, dict[str, Array]]:
        """The original layer's output [n, T, H] for `arguments`, and the tensors to store."""
        output, statistics = self.calibrate(arguments)
        clipped = {name: found.moments for name, found in statistics.items() if may_clip(name)}
        return output, self.task.quantized_to_nearest(clipped if "range" in self.task.recipe.parts else None)

    def calibrate(self, arguments: LayerArguments) -> tuple[torch.Tensor, Statistics]:
        """Scale the layer's weights; return its original output [n, T, H] and the statistics of its new inputs."""
        schemes, recipe = self.task.schemes, self.task.recipe
        shared = {name: names[0] for names in self.structure.shared_inputs for name in names}
        leaders = {shared.get(name, name): scheme for name, scheme in schemes.items()}
        device = arguments.hidden.device
        seen = {
            name: InputStatistics.empty(self.layer.get_submodule(name).in_features, scheme.group_size, device)
            for name, scheme in leaders.items()
        }
        output = collect_statistics(self.layer, seen, arguments, recipe.batch)
        statistics = {name: seen[shared.get(name, name)] for name in schemes}
        if "scale" in recipe.parts:
            self._scale(arguments.take(slice(None, None, recipe.search_step)), statistics)
        return output, statistics

    def _scale(self, replayed: LayerArguments, statistics: Statistics) -> None:
        """Search and apply the scale of each group in turn, keeping `statistics` true."""
        schemes = self.task.schemes
        calls = record_calls(self.layer, (group.inspect for group in self.structure.scale_groups), replayed)
        for group in self.structure.scale_groups:
            names = [name for name in group.linears if name in schemes]
            if not names:
                continue
            found, scheme = statistics[names[0]], schemes[names[0]]
            linears = [self.layer.get_submodule(name) for name in names]
            error = replay_error(self.layer.get_submodule(group.inspect), linears, calls[group.inspect], scheme)
            largest = output_magnitudes(self.layer, group, len(found.magnitude))
            scale = best_scale(linears, found.mean, largest, scheme, error, self.task.recipe.duo_scaling)
            apply_scale(self.layer, group, scale)
            statistics.update(dict.fromkeys(names, found.scaled(scale)))
