"""One decoder layer: which of its weights are quantized and how, and its tensors as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from awq.method.packed_weight import round_parts, stored
from awq.method.rounding import Scheme, round_weight
from awq.method.rounding_errors import Loss, stride
from awq.recipe import Recipe
from hf_checkpoint.float16 import as_float16
from hf_checkpoint.safetensors_file import Array


@dataclass(frozen=True)
class LayerTask:
    """A decoder layer with its weights in it, and the start of its tensors' names, such as "model.layers.0."."""

    layer: nn.Module
    prefix: str
    recipe: Recipe

    @cached_property
    def schemes(self) -> dict[str, Scheme]:
        """Names within the layer of the linear layers to quantize, and how; raises `SettingError`."""
        return {
            name: self.recipe.config.scheme(self.prefix + name, module.out_features, module.in_features)
            for name, module in self.layer.named_modules()
            if isinstance(module, nn.Linear) and not self.recipe.config.skips(self.prefix + name)
        }

    def rounded(self, moments: Mapping[str, torch.Tensor] | None = None) -> dict[str, Array]:
        """The layer's tensors, its weights rounded to nearest, those in `moments` after a clip search by them."""
        result: dict[str, Array] = {}
        for name, scheme in self.schemes.items():
            parts = round_parts([self.layer.get_submodule(name).weight.data], scheme, (moments or {}).get(name))
            result |= stored(self.prefix + name, parts, scheme, self.recipe.config.format)
        return result | self.rest()

    def nearest_losses(self) -> dict[str, float]:
        """The relative errors of the weights that rounding to nearest makes, by name within the layer."""
        losses = {}
        for name, scheme in self.schemes.items():
            rows = self.layer.get_submodule(name).weight.data
            rows = rows[:: stride(len(rows))]
            loss = Loss(None)
            loss.add(rows, round_weight(rows, scheme))
            losses[name] = loss.relative
        return losses

    def rest(self) -> dict[str, Array]:
        """The tensors that are not quantized, in float16; raises `CheckpointError` for what float16 cannot hold."""
        return {self.prefix + name: as_float16(name, np.asarray(t.cpu())) for name, t in self._others().items()}

    def round_rest(self) -> None:
        """Round the tensors that are not quantized to what float16 holds of them."""
        for tensor in self._others().values():
            tensor.copy_(tensor.half())

    def _others(self) -> dict[str, torch.Tensor]:
        quantized = {f"{name}.weight" for name in self.schemes}
        return {name: tensor for name, tensor in self.layer.state_dict().items() if name not in quantized}
