"""Training sees every token once a pass, follows its schedule, and learns."""

from argparse import Namespace
from itertools import islice

import pytest
import torch
from train import add_dropout, batches, configuration, optimizer, schedule, train, validate
from transformers import Qwen2ForCausalLM


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    config = configuration()
    config.vocab_size, config.num_hidden_layers, config.intermediate_size = 16, 1, 128
    config.layer_types = config.layer_types[:1]
    return Qwen2ForCausalLM(config)


def test_parameters():
    with torch.device("meta"):
        assert Qwen2ForCausalLM(configuration()).num_parameters() == 6_953_216


def test_schedule_rises_and_falls():
    shares = [schedule(step, 1000) for step in range(1000)]
    assert shares.index(max(shares)) in (99, 100)
    assert max(shares) == pytest.approx(1)
    assert shares[-1] < 1e-4


def test_a_pass_sees_each_token_once():
    seen = torch.cat(list(islice(batches(torch.arange(1000), 10, 7, 0), 14))).flatten()
    assert seen.unique().numel() > 900
    assert seen.bincount().max() <= 2  # the last token of a window is the first of the next


def test_only_matrices_decay(tiny):
    decayed, free = optimizer(tiny, 1e-3).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert all(parameter.ndim == 2 for parameter in decayed["params"])


def test_dropout_is_for_training_only(tiny):
    ids = torch.arange(8)[None]
    before = tiny.eval()(ids).logits
    add_dropout(tiny, 0.5)
    assert torch.equal(tiny(ids).logits, before)
    assert not torch.equal(tiny.train()(ids).logits, before)


def test_it_learns_to_count(tiny):
    tokens = torch.arange(16).repeat(64)
    args = Namespace(steps=16, epochs=0, batch=4, window=32, rate=1e-2, seed=0)
    curve = train(tiny, tokens, tokens[:512], args)
    losses = [point["validation"] for point in curve]
    assert min(losses) < losses[0] / 5
    assert validate(tiny, tokens[:512]) == pytest.approx(min(losses), rel=1e-3)
