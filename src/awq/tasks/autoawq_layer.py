"""A decoder layer by AutoAWQ's algorithm: scales searched by replaying calls, then weights clipped and rounded."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from awq.method.clip_search import may_clip
from awq.method.layer_structure import LayerStructure, apply_scale, output_magnitudes
from awq.method.scale_search import best_scale, replay_error
from awq.stream.activation_statistics import (
    InputStatistics,
    LayerArguments,
    collect_statistics,
    mean_magnitude,
    record_calls,
)
from awq.stream.expert_linears import experts_in
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.hessian_experts import FEWEST_TOKENS
from hf_checkpoint.safetensors_file import Array

Statistics = dict[str, InputStatistics]


@dataclass(frozen=True)
class AutoAwqLayer:
    """Quantizes the layer of `task`, which holds the original weights, by its `structure`.

    `tokens` becomes how many tokens chose each expert, by name within the layer; where they are few it is not clipped.
    """

    task: LayerTask
    structure: LayerStructure
    tokens: dict[str, int] = field(default_factory=dict)

    @property
    def layer(self) -> nn.Module:
        """The decoder layer."""
        return self.task.layer

    def quantized(self, arguments: LayerArguments) -> tuple[torch.Tensor, dict[str, Array]]:
        """The original layer's output [n, T, H] for `arguments`, and the tensors to store."""
        output, statistics = self.calibrate(arguments)
        clipped = {n: found.moments for n, found in statistics.items() if may_clip(n) and found.tokens >= FEWEST_TOKENS}
        for name, experts in experts_in(self.layer).items():
            for gate, _, down in experts.linears:
                self.tokens[f"{name}.{gate}".rpartition(".")[0]] = statistics[f"{name}.{down}"].tokens
        return output, self.task.quantized_to_nearest(clipped if "range" in self.task.recipe.parts else None)

    def calibrate(self, arguments: LayerArguments) -> tuple[torch.Tensor, Statistics]:
        """Scale the layer's weights; return its original output [n, T, H] and the statistics of its new inputs."""
        schemes, recipe = self.task.schemes, self.task.recipe
        sharing = ([name for name in names if name in schemes] for names in self.structure.shared_inputs)
        leaders = {name: names[0] for names in sharing for name in names}
        device = arguments.hidden.device
        seen = {
            name: InputStatistics.empty(self.layer.get_submodule(name).in_features, schemes[name].group_size, device)
            for name in leaders.values()
        }
        output = collect_statistics(self.layer, seen, arguments, recipe.batch)
        if "scale" in recipe.parts:
            self._scale(arguments.take(slice(None, None, recipe.search_step)), seen, leaders)
        return output, {name: seen[leader] for name, leader in leaders.items()}

    def _scale(self, replayed: LayerArguments, seen: Statistics, leaders: dict[str, str]) -> None:
        """Search and apply the scale of each group in turn, keeping what was `seen` by leaders true."""
        schemes = self.task.schemes
        calls = record_calls(self.layer, (group.inspect for group in self.structure.scale_groups), replayed)
        for group in self.structure.scale_groups:
            names = [name for name in group.linears if name in leaders]
            own = {leaders[name]: seen[leaders[name]] for name in names}
            if not names or group.inspect not in calls:  # no token of the search chose the expert
                continue
            activation, scheme = mean_magnitude(own.values()), schemes[names[0]]
            linears = [self.layer.get_submodule(name) for name in names]
            error = replay_error(self.layer.get_submodule(group.inspect), linears, calls[group.inspect], scheme)
            largest = output_magnitudes(self.layer, group, len(activation))
            scale = best_scale(linears, activation, largest, scheme, error, self.task.recipe.duo_scaling)
            apply_scale(self.layer, group, scale)
            seen.update({leader: statistics.scaled(scale) for leader, statistics in own.items()})
