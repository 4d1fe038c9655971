"""The linear layers of a model, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from awq.method.packed_weight import packed_bytes
from awq.method.rounding import Scheme
from awq.recipe import Recipe
from awq.stream.meta_model import MetaModel
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.lm_head import HeadTask
from awq.tasks.vision_tower import TowerTask

FLOAT16_BYTES = 2  # bytes of a float16


@dataclass(frozen=True)
class LinearLayer:
    """A linear layer: its name, outputs, inputs, and how it is rounded, None for float16."""

    name: str
    outputs: int
    inputs: int
    scheme: Scheme | None

    @property
    def weights(self) -> int:
        """The number of weights in the layer."""
        return self.outputs * self.inputs

    @property
    def bits(self) -> int:
        """Of a weight, without its share of scale and zero point."""
        return 16 if self.scheme is None else self.scheme.bits

    def nbytes(self, file_format: str) -> int:
        """Bytes of the weight as it is stored."""
        if self.scheme is None:
            return FLOAT16_BYTES * self.weights
        return packed_bytes(self.outputs, self.inputs, self.scheme, file_format)


def linear_layers(model: MetaModel, recipe: Recipe) -> list[LinearLayer]:
    """Those of all decoder layers in order, then the output projection; raises `SettingError` for a wrong shape."""
    return [*_layer_linears(model, recipe), _head(model, recipe)]


def tower_linear_layers(model: MetaModel, recipe: Recipe) -> list[LinearLayer]:
    """Those of the vision tower; none for a model of text alone."""
    found = TowerTask(model, recipe).linears()
    return [LinearLayer(name, module.out_features, module.in_features, scheme) for name, module, scheme in found]


def _layer_linears(model: MetaModel, recipe: Recipe) -> Iterator[LinearLayer]:
    for layer, prefix in zip(model.layers, model.prefixes, strict=True):
        schemes = LayerTask(layer, prefix, recipe).schemes
        for name, module in layer.named_modules():
            if isinstance(module, nn.Linear):
                yield LinearLayer(prefix + name, module.out_features, module.in_features, schemes.get(name))


def _head(model: MetaModel, recipe: Recipe) -> LinearLayer:
    task = HeadTask(model, recipe)
    outputs, inputs = task.shape
    return LinearLayer(model.head, outputs, inputs, task.scheme() if recipe.config.lm_head_enable else None)
