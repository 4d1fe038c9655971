"""The cost of each step."""

import torch
from tests.awq.tiny_models import token_lists

from awq.quant_config import QuantConfig
from awq.recipe import Recipe
from awq.run.step_costs import costs
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint


def costs_of(checkpoint, method):
    model = MetaModel.build(Checkpoint.open(checkpoint("llama")), torch.device("cpu"))
    return costs(model, Recipe(QuantConfig(q_group_size=64), method, torch.tensor(token_lists(8))))


def test_every_linear_layer_is_a_step(checkpoint):
    found = costs_of(checkpoint, "tyllm")
    assert list(found)[:3] == [
        ("layer-00000", "scales"),
        ("layer-00000", "self_attn.q_proj"),
        ("layer-00000", "self_attn.k_proj"),
    ]
    assert len(found) == 2 * 8 + 1 and list(found)[-1] == ("rest", "")
    assert found["layer-00000", "mlp.down_proj"] > found["layer-00000", "mlp.up_proj"]  # more inputs, a larger matrix


def test_other_methods_go_by_layers(checkpoint):
    assert list(costs_of(checkpoint, "awq")) == [("layer-00000", "scales"), ("layer-00001", "scales"), ("rest", "")]
