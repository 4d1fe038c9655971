"""The slow activation-aware rounding: scales help where activations differ, and the right inputs are caught."""

import torch
from activation_aware import best_scaled, channel_sizes, inputs_of, quantize_activation_aware
from measure import load
from random_weights import write_random_checkpoint
from rounding import round_to_nearest
from small_config import small_config
from torch import nn


def test_large_activations_keep_their_weights():
    generator = torch.Generator().manual_seed(0)
    weight, inputs = torch.randn(64, 128, generator=generator), torch.randn(256, 128, generator=generator)
    inputs[:, :8] *= 50

    def error(rounded):
        return (inputs @ (rounded - weight).T).square().mean()

    assert error(best_scaled(weight, inputs, 128)) < error(round_to_nearest(weight)) / 2


def test_channel_sizes_are_relative_to_the_group():
    weight = torch.tensor([[1.0, -2.0, 30.0, 60.0]])
    assert torch.allclose(channel_sizes(weight, 2), torch.tensor([0.5, 1.0, 0.5, 1.0]), atol=1e-4)


def test_inputs_are_those_of_each_layer():
    first, second = nn.Linear(4, 3), nn.Linear(3, 2)
    x = torch.randn(1, 5, 4)
    with inputs_of([second, first]) as caught:
        nn.Sequential(first, second)(x)
    assert torch.equal(caught[1], x[0])
    assert torch.equal(caught[0], first(x)[0])
    assert not first._forward_pre_hooks


def test_every_linear_has_sixteen_steps(tmp_path):
    write_random_checkpoint(small_config("Llama-3.2-1B"), tmp_path)
    model, _ = load(tmp_path)
    embedding = model.model.embed_tokens.weight.clone()
    quantize_activation_aware(model, torch.arange(64)[None])
    assert torch.equal(model.model.embed_tokens.weight, embedding)
    for module in (model.lm_head, model.model.layers[1].self_attn.o_proj):
        assert max(len(group.unique()) for group in module.weight.reshape(-1, 128)[:50]) <= 16
