"""What rounding some linear layers alone does to the output of their decoder layer, for a budget of bits."""

from __future__ import annotations

from dataclasses import replace

import torch

from awq.method.rounding import round_to_nearest
from awq.method.rounding_errors import stream_error
from awq.stream.activation_statistics import LayerArguments
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.hessian_layer import HessianLayer


def rounding_effects(hessian_layer: HessianLayer, original: LayerArguments) -> dict[tuple[str, ...], float]:
    """The error in the layer's output from rounding each group of linear layers that share an input alone.

    Rounding is to nearest, after the search for scales. All experts of a layer are one group, as what opens their
    checkpoints wants them alike.

    Args:
        hessian_layer: the layer.
        original: the original stream; its hidden states become those behind the layer, in place.

    Returns:
        The `stream_error` of the first batch of samples, by the names of the linear layers.
    """
    few = original.take(slice(0, hessian_layer.task.recipe.batch))
    few = replace(few, hidden=few.hidden.clone())
    sharing = hessian_layer.search_scales(original)
    hessian_layer.cache.clear()
    reference = few.call(hessian_layer.layer)
    return {tuple(names): _effect(hessian_layer.task, names, few, reference) for names in sharing}


def _effect(task: LayerTask, names: list[str], few: LayerArguments, reference: torch.Tensor) -> float:
    """The `stream_error` against the `reference` [n, T, H] when `names` are rounded to nearest."""
    linears = {name: task.layer.get_submodule(name) for name in names}
    kept = {name: linear.weight.data for name, linear in linears.items()}
    for name, linear in linears.items():
        linear.weight.data = round_to_nearest(kept[name], task.schemes[name])
    error = stream_error(reference, few.call(task.layer))
    for name, linear in linears.items():
        linear.weight.data = kept[name]
    return error
