"""How much memory a run will take at its peak, estimated from shapes; `docs/quantize.md` tells how well."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from awq.calibration.image_embeddings import PATCHES
from awq.method.hessian import spans
from awq.method.shared_input import ROWS, VALUES
from awq.recipe import Recipe
from awq.stream.expert_linears import experts_in
from awq.stream.meta_model import MetaModel
from awq.tasks import lm_head as output_projection
from awq.tasks.linear_layers import LinearLayer
from awq.tasks.vision_tower import FLOAT, TowerTask

FLOAT32_BYTES = 4
ROOT_SQUARES = 4  # matrices as large as a block while its root is computed: damped, factor, unit matrix, root
ROUTED_COPIES = (
    3  # of a stream before experts: the original's, the stored one's, batches of either while they are joined
)
STRIP_COPIES = 12  # of a strip of rows while it is rounded: codes, targets, slopes, normal equations


def hidden_bytes(model: MetaModel, recipe: Recipe) -> int:
    """Bytes of the hidden states of all streams."""
    return FLOAT32_BYTES * recipe.streams * int(recipe.samples.numel()) * _width(model)


def image_bytes(model: MetaModel, recipe: Recipe) -> int:
    """Bytes of the embeddings of the calibration's images."""
    return 0 if recipe.images is None else FLOAT32_BYTES * recipe.images.embeddings * _width(model)


def _width(model: MetaModel) -> int:
    """Width of the hidden states."""
    return int(model.module.get_output_embeddings().in_features)


def linears_in(layer: nn.Module) -> list[nn.Linear]:
    """The linear layers of a decoder layer."""
    return [module for module in layer.modules() if isinstance(module, nn.Linear)]


def peak_memory(model: MetaModel, recipe: Recipe, head: LinearLayer) -> int:
    """Bytes that the process has now, and those of the hidden states and of the work on a layer or the head."""
    works = [_layer_bytes(layer, model, recipe) for layer in model.layers]
    works += [_tower_bytes(unit, recipe) for _, unit in TowerTask(model, recipe).units()]
    states = hidden_bytes(model, recipe) + image_bytes(model, recipe)
    return resident() + states + max([*works, _head_bytes(head, recipe)])


def _layer_bytes(layer: nn.Module, model: MetaModel, recipe: Recipe) -> int:
    """A decoder layer in float32, its packed tensors, and the work on the largest of its shared inputs."""
    weights = FLOAT32_BYTES * sum(int(parameter.numel()) for parameter in layer.parameters())
    tokens: int = min(recipe.samples.numel(), recipe.batch * recipe.samples.shape[-1])
    widest: int = max(max(each.in_features, each.out_features) for each in linears_in(layer))
    forward: int = FLOAT32_BYTES * tokens * (2 * widest + 4 * _width(model))
    if recipe.method != "tyllm":
        return weights + forward + weights // 4
    shared = [shared_input_bytes(each.out_features, each.in_features, recipe) for each in linears_in(layer)]
    routed = ROUTED_COPIES * hidden_bytes(model, recipe) // recipe.streams if experts_in(layer) else 0
    return weights + weights // 8 + max([*shared, forward]) + routed


def _tower_bytes(unit: nn.Module, recipe: Recipe) -> int:
    """A unit of the vision tower in float32 with the patches that go through it, or codes and a strip being rounded."""
    weights: int = sum(int(parameter.numel()) for parameter in unit.parameters())
    codes = 0 if recipe.config.vision_bits == FLOAT else weights + FLOAT32_BYTES * STRIP_COPIES * min(VALUES, weights)
    if recipe.images is None:
        return codes
    widest: int = max([0, *(max(each.in_features, each.out_features) for each in linears_in(unit))])
    patches: int = min(PATCHES, sum(image.patches for image in recipe.images.images))
    return max(codes, FLOAT32_BYTES * (weights + patches * (3 * widest + recipe.images.processor.values)))


def shared_input_bytes(outputs: int, inputs: int, recipe: Recipe) -> int:
    """Bytes of the work on linear layers that share an input: Hessian, correction, a block's root, a strip of rows."""
    blocks: list[int] = [span.stop - span.start for span in spans(inputs)]
    squares = sum(block * block for block in blocks)
    correction = max(squares, inputs * outputs if outputs <= inputs else 0) if recipe.streams > 1 else 0
    strip = STRIP_COPIES * min(VALUES, ROWS * max(blocks))
    return FLOAT32_BYTES * (squares + correction + ROOT_SQUARES * max(blocks) * max(blocks) + strip) + outputs * inputs


def _head_bytes(head: LinearLayer, recipe: Recipe) -> int:
    """The head's codes while they are joined, the rows that its scale is searched on, and its Hessians."""
    if head.scheme is None:
        return 0
    searched = 3 * FLOAT32_BYTES * min(head.outputs, output_projection.SEARCH_ROWS) * head.inputs
    rounding = shared_input_bytes(output_projection.ROWS, head.inputs, recipe) + 2 * head.nbytes(recipe.config.format)
    return max(searched, rounding)


def resident() -> int:
    """Bytes of memory that this process has now; 400 MiB, as torch and transformers take, where it is not told."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 400 << 20


def free_memory() -> int | None:
    """Bytes that the system could give without swapping (Linux); None where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
