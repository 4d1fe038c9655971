"""What rounding each group of linear layers would change."""

from dataclasses import replace

import pytest
import torch
from tests.awq.tiny_models import token_lists
from tests.tiny_mixture import write_mixture
from transformers import AutoModelForCausalLM

from awq.method.rounding import Scheme, round_to_nearest
from awq.method.rounding_errors import from_part, stream_error
from awq.quant_config import QuantConfig
from awq.recipe import PARTS, Recipe
from awq.run.quantizer import Quantizer
from awq.run.sensitivity import as_candidates
from awq.stream.meta_model import MetaModel
from awq.tasks.linear_layers import linear_layers
from awq.work.work_folder import WorkFolder
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.safetensors_file import read_header
from tyllm_base.errors import SettingError
from tyllm_base.progress import ignore

MIXED = QuantConfig(q_group_size=64, lm_head_enable=True, format="compressed-tensors")


def quantizer(folder, work, budget=5.0):
    meta_model = MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))
    recipe = Recipe(MIXED, "tyllm", torch.tensor(token_lists(8)), bits_per_weight=budget)
    result = Quantizer(meta_model, recipe, WorkFolder(work), ignore)
    result.work.open("fingerprint")
    return result


@pytest.mark.parametrize(("budget", "count"), [(7.5, 0), (8.4, 18)])
@torch.no_grad()
def test_experts_of_a_layer_get_the_same_bits(budget, count, tmp_path):
    made = quantizer(write_mixture(tmp_path / "float", moe_intermediate_size=128), tmp_path / "work", budget)
    made.run()
    overrides = made.recipe.config.overrides
    assert len(overrides) > 4 and set(overrides.values()) == {8}
    assert len([name for name in overrides if ".experts." in name]) == count


@torch.no_grad()
def effects(made):
    made.run()
    return from_part(made.work.file("effects"))


def test_all_linears_that_share_an_input_are_measured(checkpoint, tmp_path):
    made = quantizer(checkpoint("llama"), tmp_path)
    found = effects(made)
    layer = "model.layers.1."
    assert len(found) == 2 * 4 + 1 and "lm_head" in found
    assert f"{layer}mlp.gate_proj {layer}mlp.up_proj" in found
    assert all(1e-6 < effect < 0.1 for effect in found.values())


@torch.no_grad()
def test_an_effect_is_what_transformers_computes(checkpoint, tmp_path):
    made = quantizer(checkpoint("llama"), tmp_path)
    made.recipe = replace(made.recipe, parts=frozenset(PARTS) - {"scale"})  # rounding alone
    found = effects(made)
    model = AutoModelForCausalLM.from_pretrained(checkpoint("llama"), dtype=torch.float32)
    tokens = torch.tensor(token_lists(8))
    wanted = model(tokens, output_hidden_states=True).hidden_states[1]
    linear = model.model.layers[0].mlp.down_proj
    linear.weight.data = round_to_nearest(linear.weight.data, Scheme(4, 64))
    rounded = model(tokens, output_hidden_states=True).hidden_states[1]
    assert found["model.layers.0.mlp.down_proj"] == pytest.approx(stream_error(wanted, rounded), rel=1e-3)


def test_the_budget_is_kept_by_what_is_stored(checkpoint, tmp_path):
    made = quantizer(checkpoint("llama"), tmp_path)
    effects(made)
    tensors = {name: info for part in made.parts() for name, info in read_header(made.work.file(part)).items()}
    packed = sum(info.nbytes for name, info in tensors.items() if "weight_" in name and "shape" not in name)
    weights = sum(linear.weights for linear in linear_layers(made.model, made.recipe))
    assert 4.5 < 8 * packed / weights <= 5
    assert set(made.recipe.config.overrides.values()) == {8}


def test_candidates_know_their_weights(checkpoint, tmp_path):
    made = quantizer(checkpoint("llama"), tmp_path)
    linears = linear_layers(made.model, made.recipe)
    [found] = as_candidates({"model.layers.0.self_attn.q_proj model.layers.0.self_attn.k_proj": 0.5}, linears)
    assert (found.weights, found.effect, found.scheme.bits) == (2 * 128 * 128, 0.5, 4)


def test_a_budget_below_the_least_is_refused(checkpoint, tmp_path):
    with pytest.raises(SettingError, match="take 4\\.3"):
        effects(quantizer(checkpoint("llama"), tmp_path, budget=4.1))
