"""The plan of a run, told before it begins: sizes, memory and disk, from config.json and headers of weight files."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from awq.recipe import Recipe
from awq.run.memory_estimate import FLOAT32_BYTES, free_memory, hidden_bytes, image_bytes, linears_in, peak_memory
from awq.stream.expert_linears import experts_in
from awq.stream.meta_model import MetaModel
from awq.tasks.linear_layers import FLOAT16_BYTES, LinearLayer, linear_layers, tower_linear_layers
from hf_checkpoint.auxiliary_files import auxiliary_files
from tyllm_base.errors import OutputError

HEADER = 256  # bytes in a file's header for each tensor, at most
CONFIGS = 1 << 14  # bytes of config.json, the index and the like


@dataclass(frozen=True)
class RunPlan:
    """The plan of a run; sizes are in bytes.

    Attributes:
        layers: decoder layers.
        linears: linear layers, the output projection among them, by their bits; 16 is float16.
        weights: parameters of the model; a tied output projection that is quantized counts by itself.
        bits_per_weight: of the quantized linear layers, scales and zero points included; the budget if there is one.
        output: size of the weight files, at most if there is a budget of bits.
        tokens: calibration tokens.
        memory: estimated peak of resident memory; None on a GPU.
        free_memory: what the system could give now; None where it does not say.
        disk: what the work folder and the output take together at most; the weights are there twice for a while.
        present: how much of that an earlier run has left there already.
        free_disk: what is free where they go.
        vision_linears: the vision tower's linear layers by their bits; empty for a model of text alone.
        images: how many are among the calibration tokens.
    """

    layers: int
    linears: dict[int, int]
    weights: int
    bits_per_weight: float
    output: int
    tokens: int
    memory: int | None
    free_memory: int | None
    disk: int
    present: int
    free_disk: int
    vision_linears: dict[int, int] = field(default_factory=dict)
    images: int = 0

    @property
    def shortage(self) -> str | None:
        """A warning if memory is short."""
        if self.memory is None or self.free_memory is None or self.memory <= self.free_memory:
            return None
        return (
            f"The run will need about {_size(self.memory)} of memory and {_size(self.free_memory)} are free; "
            "close other programs, or take fewer calibration samples."
        )

    def check_disk(self, folder: Path) -> None:
        """Raise `OutputError` if the disk cannot hold what will be written."""
        missing = self.disk - self.present
        if missing > self.free_disk:
            raise OutputError(
                f"The disk of {folder} has {_size(self.free_disk)} free, and the run needs {_size(missing)} there "
                "(the quantized weights twice while they are gathered); free some space or choose another folder."
            )

    def document(self) -> dict[str, Any]:
        """The plan as JSON."""
        return asdict(self)


def _size(count: int) -> str:
    """Bytes in MiB, or in GiB where that is more than 1."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def run_plan(model: MetaModel, recipe: Recipe, work: Path) -> RunPlan:
    """The plan of quantizing the checkpoint of `model` by `recipe`, the work waiting in the folder `work`."""
    linears = linear_layers(model, recipe)
    quantized = [linear for linear in linears if linear.scheme is not None]
    packed = sum(linear.nbytes(recipe.config.format) for linear in quantized)
    weights = sum(linear.weights for linear in quantized)
    extra = max(0, int((recipe.bits_per_weight or 0) * weights / 8) - packed)
    output = _output_bytes(model, recipe, linears) + extra
    return RunPlan(
        layers=len(model.layers),
        linears=_by_bits(linears),
        weights=_parameters(model, linears[-1]),
        bits_per_weight=8 * (packed + extra) / max(1, weights),
        output=output,
        vision_linears=_by_bits(tower_linear_layers(model, recipe)),
        tokens=recipe.samples.numel(),
        images=0 if recipe.images is None else len(recipe.images.images),
        memory=peak_memory(model, recipe, linears[-1]) if model.device.type == "cpu" else None,
        free_memory=free_memory(),
        disk=output + max(output + _auxiliary_bytes(model), _waiting_bytes(model, recipe)),
        present=sum(file.stat().st_size for file in work.glob("*.part")),
        free_disk=shutil.disk_usage(_existing(work)).free,
    )


def _by_bits(linears: list[LinearLayer]) -> dict[int, int]:
    """The number of linear layers by their bits."""
    bits = [linear.bits for linear in linears]
    return {each: bits.count(each) for each in sorted(set(bits))}


def _parameters(model: MetaModel, head: LinearLayer) -> int:
    """The number of values that the result stands for."""
    tied = head.weights if model.tied and head.scheme is not None else 0
    return sum(int(parameter.numel()) for parameter in model.module.parameters()) + tied


def _output_bytes(model: MetaModel, recipe: Recipe, linears: list[LinearLayer]) -> int:
    """Bytes of all stored tensors."""
    head = linears[-1]
    inside = sum(linear.weights for linear in linears[:-1])
    own_head = 0 if model.tied else head.weights
    others = sum(int(parameter.numel()) for parameter in model.module.parameters()) - inside - own_head
    tower = [linear for linear in tower_linear_layers(model, recipe) if linear.scheme is not None]
    saved = sum(FLOAT16_BYTES * linear.weights - linear.nbytes(recipe.config.format) for linear in tower)
    kept = linears[:-1] if model.tied and head.scheme is None else linears
    return FLOAT16_BYTES * others - saved + sum(linear.nbytes(recipe.config.format) for linear in kept)


def _waiting_bytes(model: MetaModel, recipe: Recipe) -> int:
    """Bytes on disk beside the parts during the run: images, hidden states before and behind a layer, its cache.

    Inputs of experts are not in the cache.
    """
    inputs: int = max(_kept_inputs(layer) for layer in model.layers)
    hidden = image_bytes(model, recipe) + 2 * hidden_bytes(model, recipe)
    return hidden + FLOAT32_BYTES * int(recipe.samples.numel()) * inputs


def _kept_inputs(layer: nn.Module) -> int:
    """Inputs of the linear layers of a decoder layer that may be in the cache."""
    experts = {linear for each in experts_in(layer).values() for linear in linears_in(each)}
    return sum(int(each.in_features) for each in linears_in(layer) if each not in experts)


def _auxiliary_bytes(model: MetaModel) -> int:
    """Bytes of what is written beside the weights: headers, configs, and the files that are copied."""
    headers = 2 * 3 * HEADER * len(model.checkpoint.tensors)
    copied = auxiliary_files(model.checkpoint.path)
    return CONFIGS + headers + sum(file.stat().st_size for file in copied)


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())
