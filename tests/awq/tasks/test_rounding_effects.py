"""What a budget of bits asks of a layer: all of its experts at once, and nothing changed behind."""

from dataclasses import replace

import torch
from tests.tiny_mixture import write_mixture

from awq.quant_config import QuantConfig
from awq.recipe import PARTS, Recipe
from awq.stream.expert_structure import find_layer_structure
from awq.stream.layerwise_pass import layerwise_pass
from awq.stream.meta_model import MetaModel
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.hessian_layer import HessianLayer
from awq.tasks.rounding_effects import rounding_effects
from awq.work.activation_cache import ActivationCache
from hf_checkpoint.checkpoint import Checkpoint

SAMPLES = torch.randint(0, 320, (2, 40), generator=torch.Generator().manual_seed(0))
RECIPE = Recipe(QuantConfig(q_group_size=32), "tyllm", SAMPLES, parts=frozenset(PARTS) - {"scale"})


def test_experts_of_a_layer_are_one_group_and_the_layer_stays(tmp_path):
    model = MetaModel.build(Checkpoint.open(write_mixture(tmp_path / "float")), torch.device("cpu"))
    seen = {}

    def visit(index, layer, arguments):
        structure = find_layer_structure(layer, lambda: arguments.call(layer))
        model.fill(layer, model.prefixes[index])
        before = {name: weight.clone() for name, weight in layer.state_dict().items()}
        task = LayerTask(layer, model.prefixes[index], RECIPE)
        cache = ActivationCache(tmp_path, torch.device("cpu"))
        kept = replace(arguments, hidden=arguments.hidden.clone())
        seen.update(rounding_effects(HessianLayer(task, structure, cache, lambda step: None), kept))
        assert all(torch.equal(weight, before[name]) for name, weight in layer.state_dict().items())
        assert torch.equal(kept.hidden, arguments.call(layer))
        return kept.hidden

    with torch.no_grad():
        layerwise_pass(model, SAMPLES, visit)
    (experts,) = (names for names in seen if ".experts." in names[0])
    assert len(experts) == 18 and len(seen) == 5  # q, k, v; o; experts; the shared expert's gate and up; its down
    assert all(1e-6 < effect < 0.1 for effect in seen.values())
