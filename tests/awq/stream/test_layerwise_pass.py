"""Walking the model gives transformers' own hidden states, one layer in memory at a time."""

import pytest
import torch
from tests.awq.tiny_models import FAMILIES, token_lists
from tests.families import random_model as families
from transformers import AutoModelForCausalLM

from awq.stream.activation_statistics import forward
from awq.stream.layerwise_pass import PassedLayers, layerwise_pass
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_hidden_states_are_those_of_transformers(checkpoint, family):
    samples = torch.tensor(token_lists(4))
    model = MetaModel.build(Checkpoint.open(checkpoint(family)), torch.device("cpu"))
    filled = []

    def visit(index, layer, arguments):
        filled.append([not next(other.parameters()).is_meta for other in model.layers])
        return forward(layer, arguments, 3)

    last = layerwise_pass(model, samples, visit)
    reference = AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float32)
    expected = reference.base_model(samples, use_cache=False).last_hidden_state
    torch.testing.assert_close(last.hidden, expected, rtol=1e-3, atol=1e-3)
    assert filled == [[True, False], [False, True]]
    assert last.norm in ("model.norm", "gpt_neox.final_layer_norm")


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_walk_goes_on_from_stored_hidden_states(checkpoint, family):
    samples = torch.tensor(token_lists(4))
    model = MetaModel.build(Checkpoint.open(checkpoint(family)), torch.device("cpu"))
    between, visited = {}, []

    def visit(index, layer, arguments):
        visited.append(index)
        between[index + 1] = forward(layer, arguments, 4)
        return between[index + 1].clone()

    whole = layerwise_pass(model, samples, visit)
    for layers in (1, 2):
        visited.clear()
        again = layerwise_pass(model, samples, visit, PassedLayers(layers, between[layers].clone()))
        assert visited == list(range(layers, 2))
        assert torch.equal(again.hidden, whole.hidden) and again.norm == whole.norm


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_as_many_samples_as_tokens_are_not_confused(checkpoint, family):
    samples = torch.tensor(token_lists(32, 32))
    model = MetaModel.build(Checkpoint.open(checkpoint(family)), torch.device("cpu"))
    last = layerwise_pass(model, samples, lambda index, layer, arguments: forward(layer, arguments, 5))
    reference = AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float32)
    expected = reference.base_model(samples, use_cache=False).last_hidden_state
    torch.testing.assert_close(last.hidden, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("model_type", ["bloom", "codegen", "gemma3"])
@torch.no_grad()
def test_layers_that_return_tuples_take_biases_by_head_or_lie_beside_a_tower(tmp_path, model_type):
    reference = families.random_model(model_type, {})
    families.save(reference, tmp_path)
    samples = torch.tensor(token_lists(6, 9))
    model = MetaModel.build(Checkpoint.open(tmp_path), torch.device("cpu"))
    last = layerwise_pass(model, samples, lambda index, layer, arguments: forward(layer, arguments, 4))
    expected = reference.base_model(samples, use_cache=False).last_hidden_state
    torch.testing.assert_close(last.hidden, expected, rtol=1e-3, atol=1e-3)
