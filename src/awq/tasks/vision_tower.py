"""The vision tower as it is stored: float16, or its linear layers rounded to 8 bits.

Rounding reads no images: with 8 bits a code, each group's range is searched with all of its inputs counting alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from awq.method.packed_weight import packed_tensors
from awq.method.quantized_weight import QuantizedWeight
from awq.method.range_search import best_grid
from awq.method.rounding import Scheme, nearest_codes
from awq.method.rounding_errors import RelativeError
from awq.method.shared_input import row_parts
from awq.recipe import Recipe
from awq.stream.meta_model import MetaModel
from hf_checkpoint.finite_check import as_float16
from hf_checkpoint.safetensors_file import Array, Blocks
from tyllm_base.errors import SettingError

FLOAT = 16  # bits of a weight that is not rounded


@dataclass(frozen=True)
class TowerTask:
    """The vision tower of `model`, if there is one, stored as `recipe` wants it."""

    model: MetaModel
    recipe: Recipe

    def units(self) -> list[tuple[str, nn.Module]]:
        """The modules that are written one after the other, with their full names; none for a model of text alone."""
        return [] if self.model.tower is None else list(self.model.tower.units())

    def check(self) -> None:
        """Raise `SettingError` if bits are asked for and there is no tower."""
        if self.model.tower is None and self.recipe.config.vision_bits != FLOAT:
            bits, kind = self.recipe.config.vision_bits, self.model.module.config.model_type
            raise SettingError(f"vision_bits is {bits}, but a {kind} model has no vision tower; leave it out.")

    def linears(self) -> Iterator[tuple[str, nn.Linear, Scheme | None]]:
        """The tower's linear layers with their full names, and how they are rounded: None for float16."""
        for name, unit in self.units():
            for inner, module in unit.named_modules():
                if isinstance(module, nn.Linear):
                    full = f"{name}.{inner}"
                    yield full, module, self._scheme(full, module)

    def _scheme(self, name: str, linear: nn.Linear) -> Scheme | None:
        """How a linear layer is rounded: by groups where they divide its inputs, otherwise by rows; symmetric."""
        config = self.recipe.config
        if config.vision_bits == FLOAT or config.skips(name):
            return None
        size = config.q_group_size
        whole = size == -1 or linear.in_features % size
        return Scheme(config.vision_bits, linear.in_features if whole else size, symmetric=True)

    def tensors(self, unit: str) -> tuple[dict[str, Array | Blocks], dict[str, float]]:
        """A unit's tensors by full name, in their stored shapes, and rounding errors; raises `CheckpointError`."""
        tensors: dict[str, Array | Blocks] = {}
        errors: dict[str, float] = {}
        schemes = {f"{name}.weight": scheme for name, _, scheme in self.linears() if scheme is not None}
        for name in [each for each in self.model.module.state_dict() if each.startswith(f"{unit}.")]:
            if (scheme := schemes.get(name)) is None:
                tensors[name] = float16_blocks(self.model, name)
                continue
            error, linear = RelativeError(None), name.removesuffix(".weight")
            parts = self._quantized_parts(name, scheme, error)
            tensors |= packed_tensors(linear, parts, scheme, self.recipe.config.format)
            errors[linear] = error.share
        return tensors, errors

    def _quantized_parts(self, name: str, scheme: Scheme, error: RelativeError) -> Iterator[QuantizedWeight]:
        """The weight `name`, some rows at a time; they are added to `error`."""
        for rows in row_parts(*self.model.checkpoint.info(name).shape):
            weight = self.model.read_rows(name, rows)
            quantized = quantize_within_range(weight, scheme)
            error.accumulate(weight, quantized.dequantize())
            yield quantized


def quantize_within_range(weight: torch.Tensor, scheme: Scheme) -> QuantizedWeight:
    """`weight` float32 [n, K], each group rounded within the range that costs least when all inputs are alike."""
    groups = weight.unflatten(1, (-1, scheme.group_size))
    columns = groups.flatten(0, 1).T.contiguous()  # [g, n·G]
    grid = best_grid(columns, torch.ones(scheme.group_size, device=weight.device), scheme)
    codes = nearest_codes(columns, grid, scheme.levels).T.reshape(weight.shape)
    shape = groups.shape[:2]
    return QuantizedWeight(codes, grid.scale.view(shape), grid.zero.view(shape)).compact()


def float16_blocks(model: MetaModel, name: str) -> Blocks:
    """A tensor of the checkpoint in float16, made piece by piece while it is written; raises `CheckpointError`."""
    info = model.checkpoint.info(name)
    return Blocks(np.dtype(np.float16), info.shape, lambda: (as_float16(name, block) for block in info.row_blocks()))
