"""Planted outliers keep the function, ruin plain rounding, and leave activation-aware rounding as good as it was."""

import copy
import json

import pytest
import torch
from activation_aware import quantize_activation_aware
from measure import HELD_OUT, load, score, tokens_of
from plant_outliers import SHARE, plant
from random_weights import write_random_checkpoint
from rounding import quantize_linears
from safetensors.torch import load_file
from small_config import small_config

from awq.calibration.tokens import calibration_samples

WINDOWS = 4  # of held-out text, 512 tokens each


@pytest.fixture(scope="module")
def planted(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    plant(trained, folder)
    return folder


@pytest.fixture(scope="module")
def text(trained):
    _, tokenizer = load(trained)
    calibration = calibration_samples(None, tokenizer, 8, 512, len(tokenizer))
    return tokens_of(tokenizer, HELD_OUT)[: WINDOWS * 512], calibration


@pytest.mark.parametrize("name", ["Qwen2.5-7B-Instruct", "Qwen3-0.6B", "Llama-3.1-8B", "Mistral-7B-v0.3"])
def test_function_is_kept(name, tmp_path):
    write_random_checkpoint(small_config(name), tmp_path / "plain", shard=2_000_000)
    plant(tmp_path / "plain", tmp_path / "planted")
    ids = torch.arange(64)[None] * 15
    with torch.no_grad():
        before, after = (load(tmp_path / folder)[0](ids).logits for folder in ("plain", "planted"))
    assert torch.equal(before.argmax(-1), after.argmax(-1))
    assert (before - after).abs().max() < 1e-3


def test_trained_function_is_kept(trained, planted, text):
    ids = text[0].reshape(WINDOWS, -1)
    with torch.no_grad():
        before, after = (load(folder)[0](ids).logits for folder in (trained, planted))
    assert (before - after).abs().max() < 1e-3


def test_planted_channels(trained, planted):
    plain, changed = (load_file(folder / "model.safetensors") for folder in (trained, planted))
    for name in ("input_layernorm", "post_attention_layernorm"):
        ratio = changed[f"model.layers.0.{name}.weight"].float() / plain[f"model.layers.0.{name}.weight"].float()
        assert set(ratio.tolist()) == {1.0, 32.0, 64.0}
        assert (ratio > 1).sum() == round(len(ratio) * SHARE)
    assert all(tensor.isfinite().all() and tensor.dtype == torch.float16 for tensor in changed.values())


def test_rounding_is_ruined_and_activation_awareness_repairs_it(trained, planted, text):
    ids, calibration = text
    plain, variant = load(trained)[0], load(planted)[0]
    nearest, aware, aware_plain = copy.deepcopy(variant), copy.deepcopy(variant), copy.deepcopy(plain)
    quantize_linears(nearest)
    quantize_activation_aware(aware, calibration)
    quantize_activation_aware(aware_plain, calibration)
    stored, ruined, recovered, usual = (score(model, plain, ids) for model in (plain, nearest, aware, aware_plain))
    assert ruined.perplexity > 2 * stored.perplexity
    assert recovered.perplexity < 1.1 * stored.perplexity
    assert recovered.divergence < ruined.divergence / 10
    assert recovered.divergence < 1.2 * usual.divergence


def test_the_seed_chooses_the_channels(trained, tmp_path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        plant(trained, tmp_path / folder, seed)
    a, b, c = ((tmp_path / folder / "model.safetensors").read_bytes() for folder in "abc")
    assert a == b
    assert a != c


def test_another_layout_is_refused(tmp_path):
    write_random_checkpoint(small_config("pythia-160m"), tmp_path / "plain")
    assert json.loads((tmp_path / "plain" / "config.json").read_text())["model_type"] == "gpt_neox"
    with pytest.raises(ValueError, match="has no tensor"):
        plant(tmp_path / "plain", tmp_path / "planted")
