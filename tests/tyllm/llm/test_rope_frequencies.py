"""The table of a rotary embedding is that of a text as long as the cache, and no call changes it."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tyllm.llm.rope_frequencies import fix_frequencies

SMALL = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
         "num_key_value_heads": 2, "vocab_size": 64, "pad_token_id": None, "max_position_embeddings": 128,
         "original_max_position_embeddings": 16}  # fmt: skip
SHORT, LONG = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5], [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": SHORT,
    "long_factor": LONG,
    "original_max_position_embeddings": 16,
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


def model(rope, model_type="phi3"):
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **SMALL, rope_parameters=rope)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def logits(of, length):
    with torch.no_grad():
        return of(torch.arange(length).unsqueeze(0) % 64, use_cache=False).logits


@pytest.mark.parametrize(("size", "length"), [(16, 16), (17, 17), (100, 40)])
def test_a_text_as_long_as_its_cache_is_what_transformers_makes_of_it(size, length):
    expected, fixed = logits(model(LONGROPE), length), model(LONGROPE)
    fix_frequencies(fixed, size)
    torch.testing.assert_close(logits(fixed, length), expected)


def test_the_table_stays_for_short_texts():
    fixed = model(LONGROPE)
    fix_frequencies(fixed, 100)
    long = fixed.model.rotary_emb.inv_freq.clone()
    logits(fixed, 4)
    assert torch.equal(fixed.model.rotary_emb.inv_freq, long)
    fix_frequencies(short := model(LONGROPE), 16)
    torch.testing.assert_close(short.model.rotary_emb.inv_freq / long, torch.tensor(LONG) / torch.tensor(SHORT))


def test_dynamic_scaling_is_plain_within_the_positions():
    expected, fixed = logits(model(DYNAMIC, "llama"), 100), model(DYNAMIC, "llama")
    fix_frequencies(fixed, 128)
    torch.testing.assert_close(logits(fixed, 100), expected)
    assert fixed.model.rotary_emb.rope_type == "default"
