"""One decoder layer: which of its weights are quantized and how, and its tensors as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from awq.method.packed_weight import packed_tensors, quantize_parts
from awq.method.rounding import Scheme, round_to_nearest
from awq.method.rounding_errors import RelativeError, sampling_step
from awq.recipe import Recipe
from awq.stream.expert_linears import linear_routers
from hf_checkpoint.finite_check import as_float16
from hf_checkpoint.safetensors_file import Array

FEWEST_OUTPUTS = 8
"""Linear layers with fewer, such as the gate of a shared expert, stay float16: they weigh nothing and decide much."""


@dataclass(frozen=True)
class LayerTask:
    """A decoder layer with its weights in it, and the start of its tensors' names, such as "model.layers.0."."""

    layer: nn.Module
    prefix: str
    recipe: Recipe

    @cached_property
    def schemes(self) -> dict[str, Scheme]:
        """Names within the layer of the linear layers to quantize, and how; raises `SettingError`."""
        routers = linear_routers(self.layer)
        return {
            name: self.recipe.config.scheme(self.prefix + name, module.out_features, module.in_features)
            for name, module in self.layer.named_modules()
            if isinstance(module, nn.Linear)
            and module.out_features >= FEWEST_OUTPUTS
            and name not in routers
            and not self.recipe.config.skips(self.prefix + name)
        }

    def quantized_to_nearest(self, moments: Mapping[str, torch.Tensor] | None = None) -> dict[str, Array]:
        """The layer's tensors as they are stored, its linear layers rounded to nearest.

        Args:
            moments: of linear layers to clip first, by name: second moments of the inputs, float32 [K/g, g, g].
        """
        result: dict[str, Array] = {}
        for name, scheme in self.schemes.items():
            parts = quantize_parts([self.layer.get_submodule(name).weight.data], scheme, (moments or {}).get(name))
            result |= packed_tensors(self.prefix + name, parts, scheme, self.recipe.config.format)
        return result | self.unquantized_tensors()

    def rounding_errors(self) -> dict[str, float]:
        """The relative errors of the weights after rounding to nearest, by name within the layer."""
        errors = {}
        for name, scheme in self.schemes.items():
            rows = self.layer.get_submodule(name).weight.data
            rows = rows[:: sampling_step(len(rows))]
            error = RelativeError(None)
            error.accumulate(rows, round_to_nearest(rows, scheme))
            errors[name] = error.share
        return errors

    def unquantized_tensors(self) -> dict[str, Array]:
        """The tensors that are not quantized, float16 in their shapes; raises `CheckpointError` beyond its range."""
        return {self.prefix + name: as_float16(name, np.asarray(t.cpu())) for name, t in self._unquantized().items()}

    def round_unquantized_tensors(self) -> None:
        """Round the tensors that are not quantized to what float16 holds of them."""
        for tensor in self._unquantized().values():
            tensor.copy_(tensor.to(torch.float16))

    def _unquantized(self) -> dict[str, torch.Tensor]:
        quantized = {f"{name}.weight" for name in self.schemes}
        return {name: tensor for name, tensor in self.layer.state_dict().items() if name not in quantized}
