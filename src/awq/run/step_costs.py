"""The approximate number of multiplications of each step of a run, from which the time left is told."""

from __future__ import annotations

from torch import nn

from awq.method.hessian import spans
from awq.recipe import Recipe
from awq.run.progress_by_cost import Step
from awq.stream.expert_linears import experts_in
from awq.stream.meta_model import MetaModel
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.vision_tower import TowerTask
from awq.work.part_names import REST, layer_part, vision_part

SCALES = "scales"
STORING = "storing"
FORWARD_PASSES = 3.0  # of the tokens through a linear layer: for its input, for its Hessian, for the stream behind it
HESSIAN_PRODUCTS = 8.0  # of the weight with a block of the Hessian: correction, GPTQ, refinement


def costs(model: MetaModel, recipe: Recipe) -> dict[Step, float]:
    """Multiplications of each step in the order of the work; without Hessians a layer is one step."""
    result: dict[Step, float] = {}
    tokens = recipe.samples.numel()
    for index, (_, unit) in enumerate(TowerTask(model, recipe).units()):
        result[vision_part(index), STORING] = float(sum(parameter.numel() for parameter in unit.parameters()))
    for index, layer in enumerate(model.layers):
        shares = _shares(layer, model)
        numbers = sum(parameter.numel() * shares.get(name, 1.0) for name, parameter in layer.named_parameters())
        result[layer_part(index), SCALES] = float(numbers * max(1, tokens))
        for name in LayerTask(layer, model.prefixes[index], recipe).schemes if recipe.method == "tyllm" else ():
            linear, read = layer.get_submodule(name), tokens * shares.get(f"{name}.weight", 1.0)
            result[layer_part(index), name] = _cost(linear.out_features, linear.in_features, read)
    rows, width = model.checkpoint.info(model.head_weight).shape
    result[REST, ""] = _cost(rows, width, 0) if recipe.method == "tyllm" else float(rows * width * max(1, tokens))
    return result


def _shares(layer: nn.Module, model: MetaModel) -> dict[str, float]:
    """The share of the tokens that each weight of an expert sees, as far as config.json tells."""
    chosen = getattr(model.module.config.get_text_config(), "num_experts_per_tok", None)
    return {
        f"{name}.{weight}": min(1.0, (chosen or len(experts.linears)) / len(experts.linears))
        for name, experts in experts_in(layer).items()
        for weight, _ in experts.named_parameters()
    }


def _cost(outputs: int, inputs: int, tokens: float) -> float:
    """Multiplications of quantizing one linear layer."""
    block = max(span.stop - span.start for span in spans(inputs))
    return float(outputs * inputs * (HESSIAN_PRODUCTS * block + FORWARD_PASSES * tokens))
