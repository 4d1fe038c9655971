"""The mixture begins near the dense model that it is made of, and all experts stay in use."""

import pytest
import torch
from measure import loss_on
from train import train_step
from train_mixture import CHOSEN, EXPERTS, SHARED, WIDTH, channels, configuration, cut, mixture
from transformers import AutoConfig, Qwen2ForCausalLM

TOKENS = torch.randint(3, 4096, (64,), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def start(trained):
    torch.manual_seed(0)
    return mixture(trained)


def test_parameters(trained, start):
    assert start.num_parameters() == 5_780_736
    assert configuration(AutoConfig.from_pretrained(trained)).num_hidden_layers == 4


def test_every_channel_is_in_the_shared_expert_or_in_another(trained):
    mlp = Qwen2ForCausalLM.from_pretrained(trained).model.layers[0].mlp
    shared, experts = channels(mlp)
    assert len(shared) == SHARED and experts.shape == (EXPERTS, WIDTH)
    assert torch.cat([shared, experts.flatten()]).unique().tolist() == list(range(1024))


def test_a_block_gives_what_the_mlp_gives_where_all_experts_are_chosen(trained, start):
    mlp = Qwen2ForCausalLM.from_pretrained(trained, dtype=torch.float32).model.layers[0].mlp
    block = start.model.layers[0].mlp
    cut(mlp, block)
    _, experts = channels(mlp)
    x = torch.randn(5, 256)
    chosen = torch.arange(EXPERTS).expand(5, EXPERTS)
    found = block.experts(x, chosen, torch.full((5, EXPERTS), 1 / CHOSEN)) + block.shared_expert(x) / 2
    twice = experts.flatten().bincount(minlength=1024) == 2  # the largest channels of the experts are in two of them
    middle = mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x)
    torch.testing.assert_close(found, mlp.down_proj(middle * (1 + twice)), rtol=1e-4, atol=1e-4)


def test_a_step_counts_the_use_of_experts(start):
    optim = torch.optim.SGD(start.parameters(), lr=0.0)
    before = train_step(start, optim, TOKENS[None], 0.0)
    start.config.output_router_logits = False
    without = train_step(start, optim, TOKENS[None], 0.0)
    start.config.output_router_logits = True
    assert 0.005 < float(before - without) < 0.1
    assert float(without) == pytest.approx(loss_on(start, TOKENS, window=64), rel=0.1)
